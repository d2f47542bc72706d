"""Filters over the captions of a whole corpus, with reasons, and their undoing."""
