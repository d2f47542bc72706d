"""What finds sound events. A new detector is one file and its name here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.detection.embedded import Embedded
from annotators.detection.silero_vad import SileroVad

AnyDetection = Annotated[Embedded | SileroVad, Field(discriminator="kind")]
