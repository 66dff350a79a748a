"""What the method costs, measured on the machine that runs it. Used by python -m ccsd.experiments benchmark."""
