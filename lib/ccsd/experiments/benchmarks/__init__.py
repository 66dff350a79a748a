"""What the method costs, measured on the machine that runs it. Used by scripts/benchmark.py."""
