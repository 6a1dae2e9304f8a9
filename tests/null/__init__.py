"""Null tests: input that deserves no belief must get none."""
