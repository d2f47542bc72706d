"""Backends of the general branch with tiny models with random weights."""

from __future__ import annotations

from pathlib import Path

from annotators.clap_agreement import GeneralClapAgreement
from annotators.general.clap_tags import GeneralClapTags
from annotators.general.tagger import Tagger
from tests.annotators.detection.tiny import frame_sed
from tests.annotators.tiny_clap import clap_folder


def tagger(folder: Path) -> Tagger:
    return Tagger(tagger=frame_sed(folder))


def clap_tags(folder: Path) -> GeneralClapTags:
    return GeneralClapTags(weights=clap_folder(folder), device="cpu")


def clap_agreement(folder: Path) -> GeneralClapAgreement:
    return GeneralClapAgreement(weights=clap_folder(folder), device="cpu")
