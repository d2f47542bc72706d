"""Checks of wording: numbers, names, quotations, tool jargon and the language of a sentence."""
