"""Whether words hold: numbers, names, quotations and the language of a sentence, against what it cites."""
