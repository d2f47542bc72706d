"""Filters over the captions of a whole corpus: what is left out of it, why, and how it comes back."""
