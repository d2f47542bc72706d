"""Every annotation of a segment in one form, branch by branch."""
