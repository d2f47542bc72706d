"""A CTC model in the form in which sherpa-onnx loads NeMo's, with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CTC_TOKENS = ("\u2581press", "\u2581re", "cord", "\u2581two", "\u2581one", "\u2581for", "\u2581sales", ".", "<blk>")
_CTC_STEP = 4


def save_ctc(folder: Path, **metadata: str) -> None:
    """A model as NeMo's CTC models are exported for sherpa-onnx: 40 ms a frame."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["audio_signal", "weight"], ["frames"], strides=[_CTC_STEP]),
        helper.make_node("Transpose", ["frames"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("LogSoftmax", ["turned"], ["logprobs"], axis=2),
    ]
    weight = draw.normal(0, 1, (len(CTC_TOKENS), 80, _CTC_STEP)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "ctc",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["batch", 80, "frames"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("logprobs", TensorProto.FLOAT, ["batch", "steps", len(CTC_TOKENS)])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    known = {"vocab_size": str(len(CTC_TOKENS) - 1), "subsampling_factor": str(_CTC_STEP), "normalize_type": ""}
    helper.set_model_props(model, {"model_type": "EncDecCTCModelBPE", **known, **metadata})
    onnx.save(model, str(folder / "model.onnx"))
    tokens = "".join(f"{token} {index}\n" for index, token in enumerate(CTC_TOKENS))
    (folder / "tokens.txt").write_text(tokens, encoding="utf-8")
