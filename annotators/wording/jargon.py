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
_HAN_TERMS = (
    "分贝|赫兹|千赫|毫秒|置信度|概率值?|得分|频谱|基频|质心|信噪比|阈值|起始点|检测器|检测到|分类器|标注|转写|转录|说话人分离|"
    "元数据|证据|数据集"
)
_JARGON = re.compile(rf"\b(?:{_UNITS}|{_TERMS}|{_TOOLS}|\w+_\w+)\b|{_HAN_TERMS}", re.IGNORECASE)


def find_jargon(text: str) -> Iterator[str]:
    """The jargon in `text`, in order."""
    return (found.group() for found in _JARGON.finditer(text))
