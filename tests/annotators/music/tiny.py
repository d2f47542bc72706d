"""A tiny model with random weights, of the interface that `basic_pitch` expects. It skips without onnx."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from annotators.music.basic_pitch import WINDOW, BasicPitch

FRAMES, KEYS = 172, 88


def basic_pitch(folder: Path) -> BasicPitch:
    """Each frame's 254 samples alone: keys by random weights, onsets equal to notes."""
    onnx = pytest.importorskip("onnx", reason="the tiny model is made with onnx")
    from onnx import TensorProto, helper, numpy_helper

    per_frame = WINDOW // FRAMES
    weights = np.random.default_rng(0).normal(0, 1.0, (per_frame, KEYS)).astype(np.float32)
    nodes = [
        helper.make_node("Slice", ["audio", "zero", "whole", "axis"], ["cut"]),
        helper.make_node("Reshape", ["cut", "shape"], ["frames"]),
        helper.make_node("MatMul", ["frames", "weights"], ["sums"]),
        helper.make_node("Sigmoid", ["sums"], ["StatefulPartitionedCall:1"]),
        helper.make_node("Sigmoid", ["sums"], ["StatefulPartitionedCall:2"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["batch", WINDOW, 1])],
        [
            helper.make_tensor_value_info(f"StatefulPartitionedCall:{kind}", TensorProto.FLOAT, ["batch", FRAMES, KEYS])
            for kind in (1, 2)
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0], dtype=np.int64), "zero"),
            numpy_helper.from_array(np.array([per_frame * FRAMES], dtype=np.int64), "whole"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
            numpy_helper.from_array(np.array([0, FRAMES, per_frame], dtype=np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "nmp.onnx"))
    return BasicPitch(path=str(folder / "nmp.onnx"))
