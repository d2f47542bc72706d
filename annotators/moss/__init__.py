"""MOSS-Audio itself, in plain torch: what a served checkpoint is held against, and what tests serve a tiny one with.

Written after the reference code, https://github.com/OpenMOSS/MOSS-Audio at 2c9984ba, and after vLLM 0.33's
`MossAudioModel`, whose way of encoding audio in chunks is one of its two modes.
"""
