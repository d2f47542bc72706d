"""Music backends: one file each, all named in `AnyMusic`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.music.basic_pitch import BasicPitch
from annotators.music.caption import MusicCaption
from annotators.music.mir import Mir
from annotators.music.structure import Structure

AnyMusic = Annotated[Mir | Structure | BasicPitch | MusicCaption, Field(discriminator="kind")]
