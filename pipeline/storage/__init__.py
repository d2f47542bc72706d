"""Files wherever they lie, tables in them, and the commits that make them a corpus."""
