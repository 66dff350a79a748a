"""The ablations of METHOD: variants of the method trained and measured under one budget."""
