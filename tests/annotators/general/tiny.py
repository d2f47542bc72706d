"""Backends of the general branch with tiny models with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.annotators.audio_caption import GeneralAudioCaption
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.clap import GeneralClapAgreement
from soundseam.annotators.general.anchor import ServedAnchor
from soundseam.annotators.general.clap_tags import GeneralClapTags
from soundseam.annotators.general.describe import Describe
from soundseam.annotators.general.judge import Judge
from soundseam.annotators.general.tagger import Tagger
from tests.annotators.detection.tiny import frame_sed
from tests.support.chat_models import contract_server
from tests.support.tiny_clap import clap_folder


def tagger(folder: Path) -> Tagger:
    return Tagger(tagger=frame_sed(folder))


def clap_tags(folder: Path) -> GeneralClapTags:
    return GeneralClapTags(weights=clap_folder(folder), device="cpu")


def clap_agreement(folder: Path) -> GeneralClapAgreement:
    return GeneralClapAgreement(weights=clap_folder(folder), device="cpu")


def served_anchor(folder: Path) -> ServedAnchor:
    return ServedAnchor(server=_server())


def describe(folder: Path) -> Describe:
    return Describe(server=_server())


def judge(folder: Path) -> Judge:
    return Judge(server=_server())


def _server() -> Endpoint:
    return Endpoint(urls=(contract_server().url,), model="tiny")


def audio_caption(folder: Path) -> GeneralAudioCaption:
    """A server that says what it has heard of."""
    pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'soundseam[served]'")
    return GeneralAudioCaption(server=Endpoint(urls=(contract_server().url,), model="tiny"))
