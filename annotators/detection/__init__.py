"""Detectors of sound events. To add one, add a file and its name here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundseam.annotators.detection.ast import Ast
from soundseam.annotators.detection.embedded import Embedded
from soundseam.annotators.detection.frame_sed import FrameSed
from soundseam.annotators.detection.pretrained_sed import PretrainedSed
from soundseam.annotators.detection.pyannote_segmentation import PyannoteSegmentation
from soundseam.annotators.detection.silero_vad import SileroVad

AnyDetection = Annotated[
    Ast | Embedded | FrameSed | PretrainedSed | PyannoteSegmentation | SileroVad, Field(discriminator="kind")
]
