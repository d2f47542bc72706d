"""Trains the small model of the `embedded` detector. Not part of the package; see README.md in this folder."""
