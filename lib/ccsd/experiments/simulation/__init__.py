"""Experiments on phantoms, whose truth is known: forgetting, and which study to label next."""
