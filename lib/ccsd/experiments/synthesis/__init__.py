"""Synthetic studies on real anatomy, by domain randomisation (as SynthSeg, Billot 2023): for training and for contact
sheets. Every study follows from its seed alone."""
