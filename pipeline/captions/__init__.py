"""From a segment's rows to its caption: merge and check."""
