"""General-audio backends: one file per backend, all listed in `AnyGeneral`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundseam.annotators.audio_caption import GeneralAudioCaption
from soundseam.annotators.clap import GeneralClapAgreement
from soundseam.annotators.general.acoustics import SegmentAcoustics
from soundseam.annotators.general.anchor import SceneAnchor, ServedAnchor
from soundseam.annotators.general.clap_tags import GeneralClapTags
from soundseam.annotators.general.describe import Describe
from soundseam.annotators.general.events import MeasuredEvents
from soundseam.annotators.general.judge import Judge
from soundseam.annotators.general.sound_names import SoundNames
from soundseam.annotators.general.tagger import Tagger
from soundseam.annotators.grammar.composer import GeneralCaption

AnyGeneral = Annotated[
    Tagger
    | SoundNames
    | GeneralClapTags
    | MeasuredEvents
    | SegmentAcoustics
    | GeneralAudioCaption
    | SceneAnchor
    | ServedAnchor
    | Describe
    | Judge
    | GeneralCaption
    | GeneralClapAgreement,
    Field(discriminator="kind"),
]
