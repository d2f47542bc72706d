"""Every format by its name."""

from __future__ import annotations

from collections.abc import Mapping

from soundseam.pipeline.config import SetupError, did_you_mean
from soundseam.pipeline.export.base import Format
from soundseam.pipeline.export.hf import HuggingFace
from soundseam.pipeline.export.lines import LlamaFactory, Moss, OpenAi, Qwen, Swift
from soundseam.pipeline.export.shards import Lhotse, WebDataset
from soundseam.pipeline.export.speech_toolkits import Kaldi, Nemo

FORMATS: Mapping[str, Format] = {
    form.name: form
    for form in (
        Moss(),
        Swift(),
        LlamaFactory(),
        OpenAi(),
        Qwen(),
        HuggingFace(),
        WebDataset(),
        Lhotse(),
        Nemo(),
        Kaldi(),
    )
}


def format_named(name: str) -> Format:
    """The format called `name`. Raises SetupError if there is none."""
    if name not in FORMATS:
        raise SetupError(f"no format {name}{did_you_mean(name, FORMATS)} (one of {', '.join(FORMATS)})")
    return FORMATS[name]


def holding_packs() -> tuple[str, ...]:
    """The formats that can hold packs."""
    return tuple(name for name, form in FORMATS.items() if form.holds_packs)
