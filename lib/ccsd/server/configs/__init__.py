"""MONAI Label task configurations: a file a model, named as the model."""
