"""Every format by its name."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import SetupError
from pipeline.export.base import Format
from pipeline.export.hf import HuggingFace
from pipeline.export.lhotse import Lhotse
from pipeline.export.llamafactory import LlamaFactory
from pipeline.export.moss import Moss
from pipeline.export.nemo import Nemo
from pipeline.export.openai import OpenAi
from pipeline.export.swift import Swift
from pipeline.export.webdataset import WebDataset

FORMATS: Mapping[str, Format] = {
    form.name: form
    for form in (Moss(), Swift(), LlamaFactory(), OpenAi(), HuggingFace(), WebDataset(), Lhotse(), Nemo())
}


def format_named(name: str) -> Format:
    """Raises SetupError for a name that is none."""
    if name not in FORMATS:
        raise SetupError(f"no format {name}: choose one of {', '.join(FORMATS)}")
    return FORMATS[name]
