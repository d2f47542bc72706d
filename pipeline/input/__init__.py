"""What is asked for: files, folders, globs and manifests as sources."""
