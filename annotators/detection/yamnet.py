"""YAMNet: 521 AudioSet classes from its own spectrogram, with weights included in the package."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import numpy as np

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.onnx import Floats, Session, carried_weights, open_session
from soundseam.annotators.spectra import frames_of, hann, magnitude_spectra, mel_filters

YAMNET_FILE = "yamnet.onnx"
YAMNET_SHA256 = "11bc794a3ac11755e25879c130587588868bac7eac1802bb074a8ee219469cc5"
YAMNET_LICENCE = "Apache-2.0 AND MIT"
NUM_CLASSES = 521
EMBEDDING_SIZE = 1024

FRAME_MS = 10
WINDOW_FRAMES = 96
"""0.96 s: the input of the model."""
MEL_BANDS = 64
MIN_SAMPLES = 400 + (WINDOW_FRAMES - 1) * 160

_HOP_SAMPLES = DETECTION_RATE_HZ * FRAME_MS // 1000
_FRAME_SAMPLES = 400
_FFT_SAMPLES = 512
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7500.0
_LOG_OFFSET = 0.001
_BATCH = 16
"""Larger batches exceed the processor's caches: with 64 windows at once, each takes 50 % longer."""


def open_yamnet() -> Session:
    """The included model: from `spectrogram` (n, 1, 96, 64) to `scores` (n, 521), in [0, 1].

    A second output, `embedding` (n, 1024), is the layer before the scores.
    """
    return open_session(carried_weights(YAMNET_FILE), YAMNET_SHA256)


@cache
def yamnet_labels() -> tuple[str, ...]:
    """AudioSet's names of the 521 classes, in the order of the scores."""
    text = files("soundseam.annotators.detection").joinpath("yamnet_classes.csv").read_text(encoding="utf-8")
    return tuple(row["display_name"] for row in csv.DictReader(text.splitlines()))


def yamnet_scores(samples: Samples, session: Session, hop_frames: int) -> Floats:
    """Scores (num_windows, 521) of windows `hop_frames` of 10 ms apart, of 16 kHz mono `samples` (num_samples,).

    Window i covers 0.96 s from `i * hop_frames * 10` ms; the last one ends at or before the end of `samples`. Samples
    shorter than a window are padded with silence.
    """
    windows = spectrogram_windows(yamnet_spectrogram(samples), hop_frames)
    return window_scores(windows, session)


def window_scores(windows: Floats, session: Session) -> Floats:
    """Scores (num_windows, 521) of spectrogram `windows` (num_windows, 96, 64)."""
    return embed_windows(windows, session)[0]


def embed_windows(windows: Floats, session: Session) -> tuple[Floats, Floats]:
    """Scores (num_windows, 521) and embeddings (num_windows, 1024) of `windows` (num_windows, 96, 64)."""
    scores = [np.zeros((0, NUM_CLASSES), dtype=np.float32)]
    embeddings = [np.zeros((0, EMBEDDING_SIZE), dtype=np.float32)]
    for first in range(0, len(windows), _BATCH):
        batch = {"spectrogram": windows[first : first + _BATCH, None]}
        for parts, part in zip((scores, embeddings), session.run(["scores", "embedding"], batch), strict=True):
            parts.append(part)
    return np.concatenate(scores), np.concatenate(embeddings)


def spectrogram_windows(spectrogram: Floats, hop_frames: int) -> Floats:
    """The windows (num_windows, 96, 64) of `spectrogram` (num_frames, 64), the first at its start: a view."""
    if hop_frames < 1:
        raise ValueError(f"hop_frames must be at least 1, not {hop_frames}")
    views = np.lib.stride_tricks.sliding_window_view(spectrogram, WINDOW_FRAMES, axis=0)[::hop_frames]
    return views.swapaxes(1, 2)


def yamnet_spectrogram(samples: Samples) -> Floats:
    """Log-mel spectrogram (num_frames, 64), one frame per whole 10 ms of 16 kHz mono `samples`.

    At least 96 frames, padded with silence if necessary. Magnitudes, not powers, 25 ms of a Hann window, and HTK's mel
    scale: https://github.com/tensorflow/models/blob/master/research/audioset/yamnet/features.py
    """
    if len(samples) < MIN_SAMPLES:
        samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
    frames = frames_of(samples, _FRAME_SAMPLES, _HOP_SAMPLES)
    magnitudes = magnitude_spectra(frames, hann(_FRAME_SAMPLES), _FFT_SAMPLES)
    filters = mel_filters(MEL_BANDS, _LOWEST_HZ, _HIGHEST_HZ, _FFT_SAMPLES, DETECTION_RATE_HZ)
    spectrogram: Floats = np.log(magnitudes @ filters + np.float32(_LOG_OFFSET))
    return spectrogram
