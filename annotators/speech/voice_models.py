"""The two included models of diarization: the activity of up to three speakers in 10 s, and a voice embedding.

`pyannote/segmentation-3.0` (Bredin, "pyannote.audio 2.1 speaker diarization pipeline", Interspeech 2023; Plaquet and
Bredin, "Powerset multi-class cross entropy loss", Interspeech 2023) and CAM++ (arXiv 2303.00332), both on onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.onnx import Floats, Session
from soundseam.annotators.spectra import frames_of, mel_filters, power_spectra
from soundseam.annotators.speech.voice_clusters import HOP_MS, LocalVoice, WindowVoices, clusters_of, joined

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
_SILENCE_BIAS = 1.0
"""Subtracted from the log probability of silence: alone, a window misses more speech than it invents."""
_MIN_ALONE_MS = 400
"""With less time alone, the embedding uses all the time in which the speaker is active."""
_MAX_EMBEDDED_FRAMES = 400
"""Frames of 10 ms: more of one voice in one window does not improve its embedding."""
_MIN_EMBEDDED_FRAMES = 20

_PAUSE_MS = 200
_MIN_STRETCH_MS = 800
"""Less speech tells too little of a voice to find that it is another one."""
_OTHER_VOICE_DISTANCE = 0.5
"""Mean cosine distance from which the stretches of one local speaker are two voices."""

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
        heard = scores[0] - np.array([_SILENCE_BIAS, 0, 0, 0, 0, 0, 0], dtype=np.float32)
        active = _POWERSET[heard.argmax(axis=1)]
        frames = min(WINDOW_FRAMES, len(samples) * 1000 // DETECTION_RATE_HZ // HOP_MS)
        nearest = _nearest(np.arange(frames), HOP_MS, len(active))
        active = active[nearest]
        doubt = np.where(scores[0].argmax(axis=1) > 0, 1.0 - np.exp(scores[0].max(axis=1)), np.nan)
        return WindowVoices(first_frame, *self._voices(samples, active), doubt[nearest].astype(np.float16))

    def _voices(self, samples: Samples, active: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[LocalVoice, ...]]:
        """`active` with a column per voice, and the voices."""
        if not active.any():
            return active, ()
        columns: list[NDArray[np.bool_]] = []
        voices: list[LocalVoice] = []
        features = filter_bank(samples)
        alone = active.sum(axis=1) == 1
        for source, speaker in enumerate(active.T):
            for part, embedding in self._by_voice(features, speaker, alone) if speaker.any() else ():
                if embedding is not None:
                    alone_ms = int((part & alone).sum()) * HOP_MS
                    voices.append(LocalVoice(len(columns), embedding, alone_ms, source))
                columns.append(part)
        return np.stack(columns, axis=1), tuple(voices)

    def _by_voice(
        self, features: Floats, active: NDArray[np.bool_], alone: NDArray[np.bool_]
    ) -> list[tuple[NDArray[np.bool_], Floats | None]]:
        """The frames of one local speaker, in parts of different voices, mostly one, each with its embedding.

        The segmentation model takes two people with similar sound for one, so the stretches between its pauses are
        compared by their embeddings. The embedding of several stretches is their mean.
        """
        stretches = _stretches(active)
        lengths_ms = [int((stretch & alone).sum()) * HOP_MS for stretch in stretches]
        long = [index for index, length_ms in enumerate(lengths_ms) if length_ms >= _MIN_STRETCH_MS]
        if len(long) < 2:
            return [(active, self._whole(features, active, active & alone))]
        embeddings = {index: self._embed(_at(features, stretches[index] & alone)) for index in long}
        each = [(0, LocalVoice(0, embeddings[index], lengths_ms[index], 0)) for index in long]
        found = joined(clusters_of(each), _OTHER_VOICE_DISTANCE, 1)
        if len(found.sums) == 1:
            return [(active, _mean(embeddings, lengths_ms))]
        for index, length_ms in enumerate(lengths_ms):
            if index not in embeddings and length_ms >= _MIN_ALONE_MS:
                embeddings[index] = self._embed(_at(features, stretches[index] & alone))
        voice_of = {index: int((found.centres @ embedding).argmax()) for index, embedding in embeddings.items()}
        return [
            (part, _mean({index: one for index, one in embeddings.items() if voice_of[index] == voice}, lengths_ms))
            for voice, part in enumerate(_parts(stretches, voice_of, len(found.sums)))
            if part.any()
        ]

    def _whole(self, features: Floats, active: NDArray[np.bool_], alone: NDArray[np.bool_]) -> Floats | None:
        """The embedding of the frames `active`, from those `alone` if they are enough; None if there are too few."""
        chosen = _at(features, alone if int(alone.sum()) * HOP_MS >= _MIN_ALONE_MS else active)
        return self._embed(chosen) if len(chosen) >= _MIN_EMBEDDED_FRAMES else None

    def _embed(self, features: Floats) -> Floats:
        """The voice embedding of `features` (frames, bands), of unit length: (192,)."""
        centred = features - features.mean(axis=0)
        (answer,) = self._embedding.run(None, {"features": centred[None]})
        return _unit(answer[0])


def _mean(embeddings: Mapping[int, Floats], lengths_ms: Sequence[int]) -> Floats:
    """The mean of the embeddings of stretches, by their lengths as far as they were embedded, of unit length."""
    longest_ms = 10 * _MAX_EMBEDDED_FRAMES
    return _unit(sum((min(lengths_ms[index], longest_ms) * one for index, one in embeddings.items()), np.zeros(1)))


def _unit(vector: NDArray[np.floating]) -> Floats:
    unit: Floats = (vector / max(1e-9, float(np.linalg.norm(vector)))).astype(np.float32)
    return unit


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


def _at(features: Floats, frames: NDArray[np.bool_]) -> Floats:
    """The first 4 s of `features`, one row per 10 ms, in `frames` of HOP_MS."""
    rows = np.repeat(frames, HOP_MS // 10)[: len(features)].nonzero()[0]
    chosen: Floats = features[rows[:_MAX_EMBEDDED_FRAMES]]
    return chosen


def _stretches(active: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The parts of `active` between pauses of at least _PAUSE_MS, in order, each as frames."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    cuts = [end for end, start in zip(edges[1:-1:2], edges[2::2], strict=True) if (start - end) * HOP_MS >= _PAUSE_MS]
    bounds = [0, *cuts, len(active)]
    frames = np.arange(len(active))
    return [active & (frames >= start) & (frames < end) for start, end in pairwise(bounds)]


def _parts(stretches: Sequence[NDArray[np.bool_]], voice_of: Mapping[int, int], voices: int) -> list[NDArray[np.bool_]]:
    """The frames of each voice, or none; a stretch without a voice goes to that of the nearest one with a voice."""
    parts = [np.zeros_like(stretches[0]) for _ in range(voices)]
    for index, stretch in enumerate(stretches):
        nearest = min(voice_of, key=lambda other: abs(other - index))
        parts[voice_of[nearest]] |= stretch
    return parts


def _nearest(frames: NDArray[np.int64], hop_ms: int, model_frames: int) -> NDArray[np.int64]:
    """The model's frame whose centre is nearest to that of each of `frames` of `hop_ms`."""
    middles = (frames + 0.5) * hop_ms * DETECTION_RATE_HZ / 1000
    nearest: NDArray[np.int64] = np.clip(np.rint((middles - _FIELD / 2) / _SHIFT), 0, model_frames - 1).astype(np.int64)
    return nearest
