"""The two included models of diarization: the activity of up to three speakers in 10 s, and a voice embedding.

`pyannote/segmentation-3.0` (Bredin, "pyannote.audio 2.1 speaker diarization pipeline", Interspeech 2023; Plaquet and
Bredin, "Powerset multi-class cross entropy loss", Interspeech 2023) and CAM++ (arXiv 2303.00332), both on onnxruntime.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.onnx import Floats, Session
from soundseam.annotators.spectra import frames_of, mel_filters, power_spectra
from soundseam.annotators.speech.voice_clusters import HOP_MS, LocalVoice, WindowVoices

SEGMENTATION_FILE = "segmentation_3.onnx"
SEGMENTATION_SHA256 = "1fe6fe3739f579b934a1603e8a18cd8c24e84c13496160d914cac1027e6750d9"
EMBEDDING_FILE = "campplus_zh_en.onnx"
EMBEDDING_SHA256 = "415a61ca279e9c00592dd0dacd95bf0ec78683001f1c7a0d72691bcfc81cbc47"

WINDOW_S = 10
WINDOW_FRAMES = 1000 * WINDOW_S // HOP_MS
WINDOW_SAMPLES = WINDOW_S * DETECTION_RATE_HZ
_POWERSET = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=np.bool_)
"""Which speakers are active in each of the segmentation model's seven classes."""
_SHIFT, _FIELD = 270, 991
"""Samples from one frame of the model to the next, and the receptive field of a frame."""
_MIN_ALONE_MS = 400
"""With less time alone, the embedding uses all the time in which the speaker is active."""
_MAX_EMBEDDED_FRAMES = 400
"""Frames of 10 ms: more of one voice in one window does not improve its embedding."""
_MIN_EMBEDDED_FRAMES = 20

_FEATURE_SAMPLES, _FEATURE_HOP, _FFT, _BANDS = 400, 160, 512, 80


class VoiceModels:
    """Processes windows of 10 s."""

    def __init__(self, segmentation: Session, embedding: Session) -> None:
        self._segmentation = segmentation
        self._embedding = embedding

    def analyse(self, samples: Samples, first_frame: int) -> WindowVoices:
        """The voices in 16 kHz mono `samples` of at most 10 s (num_samples,), starting at `first_frame`."""
        window = np.zeros(WINDOW_SAMPLES, dtype=np.float32)
        window[: len(samples)] = samples
        (scores,) = self._segmentation.run(None, {"samples": window[None, None]})
        active = _POWERSET[scores[0].argmax(axis=1)]
        frames = min(WINDOW_FRAMES, len(samples) * 1000 // DETECTION_RATE_HZ // HOP_MS)
        nearest = _nearest(np.arange(frames), HOP_MS, len(active))
        active = active[nearest]
        doubt = (1.0 - np.exp(scores[0].max(axis=1)))[nearest].astype(np.float16)
        return WindowVoices(first_frame, active, tuple(self._voices(samples, active)), doubt)

    def _voices(self, samples: Samples, active: NDArray[np.bool_]) -> list[LocalVoice]:
        alone = active & (active.sum(axis=1) == 1)[:, None]
        voices: list[LocalVoice] = []
        features: Floats | None = None
        for column in np.flatnonzero(active.any(axis=0)):
            alone_ms = int(alone[:, column].sum()) * HOP_MS
            if features is None:
                features = filter_bank(samples)
            mask = (alone if alone_ms >= _MIN_ALONE_MS else active)[:, column]
            chosen = features[np.repeat(mask, HOP_MS // 10)[: len(features)].nonzero()[0][:_MAX_EMBEDDED_FRAMES]]
            if len(chosen) >= _MIN_EMBEDDED_FRAMES:
                voices.append(LocalVoice(int(column), self._embed(chosen), alone_ms))
        return voices

    def _embed(self, features: Floats) -> Floats:
        """The voice embedding of `features` (frames, bands), of unit length: (192,)."""
        centred = features - features.mean(axis=0)
        (answer,) = self._embedding.run(None, {"features": centred[None]})
        embedding: Floats = answer[0] / max(1e-9, float(np.linalg.norm(answer[0])))
        return embedding


def filter_bank(samples: Samples) -> Floats:
    """Kaldi's log mel energies, undithered, of 16 kHz mono: (frames, 80), one frame per 10 ms."""
    frames = frames_of(samples, _FEATURE_SAMPLES, _FEATURE_HOP)
    frames = frames - frames.mean(axis=1, keepdims=True)
    emphasised = np.concatenate((0.03 * frames[:, :1], frames[:, 1:] - 0.97 * frames[:, :-1]), axis=1)
    window = np.hanning(_FEATURE_SAMPLES).astype(np.float32) ** 0.85
    # In double precision: which of two voices a third is nearer to can depend on the last bits of a single one.
    power = power_spectra(emphasised.astype(np.float64), window, _FFT)
    filters = mel_filters(_BANDS, 20.0, 8000.0, _FFT, DETECTION_RATE_HZ)
    energies: Floats = np.log(np.maximum(power @ filters, np.finfo(np.float32).eps)).astype(np.float32)
    return energies


def _nearest(frames: NDArray[np.int64], hop_ms: int, model_frames: int) -> NDArray[np.int64]:
    """The model's frame whose centre is nearest to that of each of `frames` of `hop_ms`."""
    middles = (frames + 0.5) * hop_ms * DETECTION_RATE_HZ / 1000
    nearest: NDArray[np.int64] = np.clip(np.rint((middles - _FIELD / 2) / _SHIFT), 0, model_frames - 1).astype(np.int64)
    return nearest
