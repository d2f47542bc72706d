"""MOSS-Audio in plain torch: the reference for checking served checkpoints, and the server of a tiny one in tests.

Written after the reference code, https://github.com/OpenMOSS/MOSS-Audio at 2c9984ba, and after vLLM 0.33's
`MossAudioModel`, whose way of encoding audio in chunks is one of its two modes.
"""
