"""MONAI Label's scoring methods: how good the model is on saved labels, and where its masks are least sure."""
