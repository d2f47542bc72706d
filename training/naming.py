"""Fits the net that tells kinds of sound apart: `python -m training.naming FOLDER [FOLDER ...] --output kinds.onnx`.

Each folder holds `clips.jsonl`: `file`, `label` (speech, music or general) and for sounds `names`, the labels of
AudioSet that are right. A clip counts for the kind of each of its names, and no kind counts for more than 80 clips.
Needs scikit-learn and onnx. The constants of `annotators/general/naming.py` were fitted on held-out collections.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from soundseam.annotators.base import DETECTION_RATE_HZ
from soundseam.annotators.detection.yamnet import embed_windows, open_yamnet, yamnet_spectrogram
from soundseam.annotators.general.naming import KIND_LABELS, kind_features, pooled
from soundseam.annotators.general.sound_names import window_starts
from soundseam.annotators.grammar.sound_names import sound_names
from soundseam.annotators.onnx import Floats, Session
from soundseam.pipeline.evaluation.labelled import at_rate, read_list, read_mono
from soundseam.pipeline.evaluation.named_clips import CLIPS, ClipTruth
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan

REGULARISATION = 0.03
MAX_OF_A_KIND = 80.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    session = open_yamnet()
    rows = [row for folder in arguments.folders for row in rows_of(folder, session)]
    content = kinds_model(*fit(rows)).SerializeToString(deterministic=True)
    arguments.output.write_bytes(content)
    print(f"{len(rows)} rows; {arguments.output}: SHA-256 {hashlib.sha256(content).hexdigest()}")


def rows_of(folder: Path, session: Session) -> Iterator[tuple[Floats, int, float]]:
    """Features, kind and weight: of each clip and each of its kinds."""
    order = list(KIND_LABELS)
    for truth in read_list(folder / CLIPS, ClipTruth):
        kinds = kinds_of(truth)
        if kinds:
            mono, rate_hz = read_mono(folder / truth.file)
            samples = at_rate(mono, rate_hz, DETECTION_RATE_HZ)[: 10 * DETECTION_RATE_HZ]
            spectrogram = yamnet_spectrogram(samples)
            starts = window_starts(TimeSpan(0, len(samples) * 1000 // DETECTION_RATE_HZ), len(spectrogram))
            windows = np.stack([spectrogram[start : start + 96] for start in starts])
            scores, embeddings = embed_windows(windows, session)
            features = kind_features(pooled(scores), embeddings)
            yield from ((features, order.index(kind), 1.0 / len(kinds)) for kind in sorted(kinds))


def kinds_of(truth: ClipTruth) -> set[str]:
    if truth.label is not Branch.GENERAL:
        return {truth.label.value}
    return {sound_names()[name].kind for name in truth.right_labels} & set(KIND_LABELS)


def fit(rows: Sequence[tuple[Floats, int, float]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (kinds, features) and offsets (kinds,); a kind without clips is never likeliest."""
    from sklearn.linear_model import LogisticRegression

    features, kinds = np.stack([row[0] for row in rows]), np.array([row[1] for row in rows])
    weights = np.array([row[2] for row in rows])
    totals = np.bincount(kinds, weights=weights, minlength=len(KIND_LABELS))
    weights *= np.minimum(1.0, MAX_OF_A_KIND / np.maximum(totals, 1.0))[kinds]
    middle = features.mean(axis=0)
    model = LogisticRegression(C=REGULARISATION, max_iter=400).fit(features - middle, kinds, sample_weight=weights)
    slopes = np.zeros((len(KIND_LABELS), features.shape[1]), dtype=np.float32)
    offsets = np.full(len(KIND_LABELS), -20.0, dtype=np.float32)
    slopes[model.classes_] = model.coef_
    offsets[model.classes_] = model.intercept_ - model.coef_ @ middle
    return slopes, offsets


def kinds_model(slopes: NDArray[np.float32], offsets: NDArray[np.float32]) -> onnx.ModelProto:
    """From `features` (n, 1038) to the probabilities of `kinds` (n, 14)."""
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weight", "bias"], ["logits"], transB=1),
            helper.make_node("Softmax", ["logits"], ["kinds"], axis=1),
        ],
        "sound_kinds",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", slopes.shape[1]])],
        [helper.make_tensor_value_info("kinds", TensorProto.FLOAT, ["n", len(offsets)])],
        [numpy_helper.from_array(slopes, "weight"), numpy_helper.from_array(offsets, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="soundseam")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    main()
