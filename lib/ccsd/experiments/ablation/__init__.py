"""The ablations of docs/method.md: variants of the method trained and measured under one budget."""
