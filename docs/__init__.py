"""What keeps the documentation true: `python -m docs.generate` writes the parts that follow from the code."""
