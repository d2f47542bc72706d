"""Local and remote files, tables, and the commits that make them a corpus."""
