"""Windows and captions of whole recordings, from the rows of their segments."""
