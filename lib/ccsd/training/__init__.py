"""One training loop, used by `ccsd train` and by the MONAI Label train task."""
