"""The inputs of a run: files, folders, globs and manifests as sources."""
