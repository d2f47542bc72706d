"""How sure a CLAP model is of each of a list of labels: zero-shot, against what could be said of any sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annotators.clap import AudioTextModel, Embeddings

NEUTRAL = ("a sound", "noise", "silence")


class LabelScorer:
    """Scores of `labels`, each asked by `prompt`, in which {label} stands for it.

    A label's score is its probability against the neutral text that lies nearest, so that labels do not compete and
    several may sound at once.
    """

    def __init__(self, model: AudioTextModel, labels: Sequence[str], prompt: str, neutral: Sequence[str]) -> None:
        self._labels = model.read([prompt.replace("{label}", label) for label in labels])
        self._neutral = model.read(neutral)
        self._scale = model.scale

    def scores(self, heard: Embeddings) -> NDArray[np.float32]:
        """(num_sounds, num_labels) in [0, 1] of `heard` (num_sounds, dimensions)."""
        against = (heard @ self._neutral.T).max(axis=1, keepdims=True)
        scores: NDArray[np.float32] = 0.5 * (1.0 + np.tanh(0.5 * self._scale * (heard @ self._labels.T - against)))
        return scores
