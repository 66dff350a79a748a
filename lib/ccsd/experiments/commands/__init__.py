"""Commands that measure: `python -m ccsd.experiments NAME`."""
