"""General-audio backends: one file each, all named in `AnyGeneral`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.general.acoustics import SegmentAcoustics
from annotators.general.caption import GeneralCaption
from annotators.general.events import MeasuredEvents

AnyGeneral = Annotated[MeasuredEvents | SegmentAcoustics | GeneralCaption, Field(discriminator="kind")]
