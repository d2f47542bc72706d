"""Music backends: one file each, all named in `AnyMusic`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.music.caption import MusicCaption
from annotators.music.mir import Mir

AnyMusic = Annotated[Mir | MusicCaption, Field(discriminator="kind")]
