"""Captions by models that hear the audio: what they are asked, and which of their answers may stand."""
