"""What finds sound events. A new detector is one file and its name here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.detection.ast import Ast
from annotators.detection.embedded import Embedded
from annotators.detection.frame_sed import FrameSed
from annotators.detection.pretrained_sed import PretrainedSed
from annotators.detection.pyannote_segmentation import PyannoteSegmentation
from annotators.detection.silero_vad import SileroVad

AnyDetection = Annotated[
    Ast | Embedded | FrameSed | PretrainedSed | PyannoteSegmentation | SileroVad, Field(discriminator="kind")
]
