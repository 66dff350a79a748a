"""Prediction over whole studies and its measurement over the lattice of subsets."""
