"""Soundseam turns raw audio into training data for audio-language models.

Installed, everything lives under this name: `soundseam.schemas`, `soundseam.annotators`, `soundseam.pipeline`. In the
repository those are the folders at its top.
"""
