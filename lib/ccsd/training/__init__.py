"""One training loop, used by `scripts/train.py` and by the MONAI Label train task."""
