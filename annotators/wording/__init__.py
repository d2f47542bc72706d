"""Whether words hold: numbers, names, quotations, tool jargon and the language of a sentence."""
