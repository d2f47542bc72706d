"""Opens, decodes, resamples, measures and spools audio files of any format."""
