"""The CCSD method in pure PyTorch: usable in a notebook after `pip install torch` alone."""
