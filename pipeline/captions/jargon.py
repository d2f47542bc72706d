"""Words of tools, which no listener would use: a caption that holds one quotes a tool."""

from __future__ import annotations

import re
from collections.abc import Iterator

_UNITS = r"db|dbfs|lufs|lkfs|k?hz|khz|bpm|ms|rms|snr|khertz|hertz|decibels?"
_TERMS = (
    r"onsets?|offsets?|spectr(?:al|um|ogram)|centroid|mel|mfccs?|chroma|autocorrelation|fundamental frequency|f0|"
    r"confidence|probabilit(?:y|ies)|threshold|salience|stationarity|noise floor|dynamic range|semitones?|"
    r"segments?|segmentation|diari[sz]ation|detect(?:or|ors|ion|ed)|classifiers?|annotat(?:or|ion|ions)|"
    r"backends?|metadata|json|null|nan|vad|asr|transcript(?:s|ion|ions)?|audio ?set|source[- ]ambiguous"
)
_TOOLS = (
    r"silero|faster-whisper|whisper large|pocketsphinx|pyannote|librosa|pyin|pyloudnorm|onnx(?:runtime)?|"
    r"essentia|madmom|beatnet|chordino|songformer|jukemir|basic[- ]pitch|beats model|ast model|qwen\d?|moss(?:-audio)?|"
    r"vllm|sglang|funasr|paraformer|dnsmos|clap model|pytorch"
)
_JARGON = re.compile(rf"\b(?:{_UNITS}|{_TERMS}|{_TOOLS}|\w+_\w+)\b", re.IGNORECASE)


def find_jargon(text: str) -> Iterator[str]:
    """The jargon in `text`, in order."""
    return (found.group() for found in _JARGON.finditer(text))
