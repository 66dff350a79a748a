"""Where MONAI Label finds images and keeps labels."""
