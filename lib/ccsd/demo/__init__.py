"""Synthetic labelled studies on the anatomy of a public template: the demo and what the tests use."""
