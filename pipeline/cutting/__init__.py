"""Where a recording is cut, and which branches hear each piece."""
