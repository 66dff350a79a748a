"""CCSD for MONAI Label: the method (`ccsd.method`), its data, its training and its thin MONAI Label wiring."""

VERSION = "0.2.0"
