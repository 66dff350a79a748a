"""Published weights: how they are written, read and named."""
