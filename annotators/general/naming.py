"""From YAMNet's scores to the most specific name that is confident enough.

A linear net on YAMNet's embedding classifies kinds of sound, and distinguishes a whale from a siren better than
YAMNet's own classes. The confidence of a name combines those of its class and its kind, and was fitted on labelled
sounds: docs/general.md has the results, `training/naming.py` the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from soundseam.annotators.detection.label_table import carried_table
from soundseam.annotators.detection.yamnet import yamnet_labels
from soundseam.annotators.grammar.sound_names import broader_labels, sound_names
from soundseam.annotators.onnx import Floats, Session, carried_weights, open_session
from soundseam.schemas.event import EventClass

KINDS_FILE = "sound_kinds.onnx"
KINDS_SHA256 = "08ca440f1028f4071d756687976f9fcad752c05a66a7c649ff1150c2fb829d26"
NAMING_REVISION = f"{KINDS_SHA256[:8]}-1"

KIND_LABELS: Mapping[str, str] = {
    "animal": "Animal",
    "voice": "Human voice",
    "impact": "Impact",
    "friction": "Friction",
    "water": "Water",
    "machine": "Machine",
    "signal": "Signal",
    "ringing": "Ringing",
    "bang": "",
    "fire_and_wind": "",
    "crowd": "Crowd",
    "rush": "Whoosh, swoosh, swish",
    "music": "",
    "speech": "",
}
"""The net's kinds of sound, in its order, with the word for each; empty if there is none."""
NARROW = (0.296, 1.492, 0.175)
"""Confidence of a class: offset, and weights of the log odds of its score and of its kind's probability."""
BROAD = (1.333, 0.651, 0.177)
"""Confidence of a kind: offset, and weights of the log odds of its highest score and of its probability."""
STRICT: Mapping[str, float] = {"signal": 1.5, "machine": 1.0, "animal": 0.5}
"""Kinds whose names need this much more, in log odds: YAMNet mistakes whales, mosquitos and camels for sirens and
horns, and growls for engines.
"""
_MIN_SCORE = 0.1
_SCORE_WEIGHT = 0.15
_LEFT_OUT = (
    "Domestic animals, pets",
    "Livestock, farm animals, working animals",
    "Wild animals",
    "Goat",
    "Sheep",
    "Roaring cats (lions, tigers)",
)
"""Classes for which YAMNet is often wrong while their broader word is right: an animal bleats, or roars."""
_RIVAL = 0.6
"""A name is excluded if another, neither broader nor narrower, has this share of its score."""
_UNNAMED_KINDS = ("", "music", "speech")
_CLASSES: Mapping[str, EventClass] = {
    "Human voice": EventClass.HUMAN_VOICE,
    "Machine": EventClass.OBJECT,
    "Signal": EventClass.OBJECT,
    "Ringing": EventClass.OBJECT,
}


@dataclass(frozen=True)
class Name:
    """A name for a sound, and how likely it is right, [0, 1]."""

    label: str
    event_class: EventClass
    confidence: float


class Namer:
    """Names sounds that YAMNet has scored. `sure` is the lowest confidence that is enough."""

    def __init__(self, sure: float) -> None:
        self._sure = sure
        self._kinds: Session = open_session(carried_weights(KINDS_FILE), KINDS_SHA256)

    def name(self, scores: Floats, embeddings: Floats) -> Name | None:
        """The name of a sound from `scores` (num_windows, 521) and `embeddings` (num_windows, 1024) of its windows: the
        most specific that is confident enough, and among equals the most confident; None if there is none."""
        whole = pooled(scores)
        (kinds,) = self._kinds.run(["kinds"], {"features": kind_features(whole, embeddings)[None]})
        sure = [name for name in candidates(whole, kinds[0]) if name.confidence >= self._sure]
        return max(sure, key=lambda name: (len(broader_labels(name.label)), name.confidence), default=None)


def pooled(scores: Floats) -> Floats:
    """One score per class, (521,), over all windows of a sound: between their mean and their maximum."""
    middle: Floats = 0.5 * (scores.mean(axis=0) + scores.max(axis=0))
    return middle


def kind_features(scores: Floats, embeddings: Floats) -> Floats:
    """The net's features for kinds: (1038,), the root of the mean embedding, and the highest score of each kind."""
    best = [_log_odds(float(scores[list(members)].max())) for members in _members().values()]
    return np.concatenate((np.sqrt(embeddings.mean(axis=0)), _SCORE_WEIGHT * np.array(best))).astype(np.float32)


def candidates(scores: Floats, kinds: Floats) -> list[Name]:
    """All possible names for a sound with pooled `scores` (521,) and of the most likely of `kinds`."""
    kind, probability = max(zip(KIND_LABELS, kinds.tolist(), strict=True), key=lambda pair: float(pair[1]))
    if kind in _UNNAMED_KINDS:
        return []
    inside = _with_broader({yamnet_labels()[index]: float(scores[index]) for index in _members()[kind]})
    strict = STRICT.get(kind, 0.0)
    found = {
        label: _confidence((NARROW[0] - strict, *NARROW[1:]), probability=probability, score=score)
        for label, score in inside.items()
        if score > _MIN_SCORE and label not in _LEFT_OUT and _stands_alone(label, inside)
    }
    if word := KIND_LABELS[kind]:
        broad = (BROAD[0] - (strict if kind != "animal" else 0.0), *BROAD[1:])
        found[word] = _confidence(broad, probability=probability, score=max(inside.values()))
    return [Name(label, class_of_label(label), confidence) for label, confidence in found.items()]


def _stands_alone(label: str, scores: Mapping[str, float]) -> bool:
    """Whether no rival name, neither broader nor narrower than `label`, has nearly as high a score."""
    return not any(
        score > _RIVAL * scores[label]
        for other, score in scores.items()
        if other not in (label, *_LEFT_OUT, *broader_labels(label)) and label not in broader_labels(other)
    )


def _confidence(weights: tuple[float, float, float], probability: float, score: float) -> float:
    offset, of_score, of_kind = weights
    return float(1.0 / (1.0 + np.exp(-(offset + of_score * _log_odds(score) + of_kind * _log_odds(probability)))))


def _with_broader(scores: Mapping[str, float]) -> dict[str, float]:
    """`scores`, and for each broader word the highest score of its members."""
    found = dict(scores)
    for label, score in scores.items():
        for broader in broader_labels(label):
            found[broader] = max(found.get(broader, 0.0), score)
    return found


@cache
def _members() -> Mapping[str, tuple[int, ...]]:
    """The indices of each kind's classes in YAMNet's scores."""
    return {
        kind: tuple(index for index, label in enumerate(yamnet_labels()) if sound_names()[label].kind == kind)
        for kind in KIND_LABELS
    }


@cache
def class_of_label(label: str) -> EventClass:
    """One of our nine classes: the label's own, else that of the nearest broader word that has one."""
    table = {**carried_table(), **_CLASSES}
    return next((table[one] for one in (label, *broader_labels(label)) if one in table), EventClass.SOURCE_AMBIGUOUS)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-4), 1.0 - 1e-4)
    return float(np.log(bounded / (1.0 - bounded)))
