"""General-audio backends: one file each, all named in `AnyGeneral`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.clap_agreement import GeneralClapAgreement
from annotators.general.acoustics import SegmentAcoustics
from annotators.general.anchor import SceneAnchor
from annotators.general.audio_caption import GeneralAudioCaption
from annotators.general.caption import GeneralCaption
from annotators.general.clap_tags import GeneralClapTags
from annotators.general.describe import Describe
from annotators.general.events import MeasuredEvents
from annotators.general.judge import Judge
from annotators.general.served_anchor import ServedAnchor
from annotators.general.tagger import Tagger

AnyGeneral = Annotated[
    Tagger
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
