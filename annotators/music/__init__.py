"""Music backends: one file each, all named in `AnyMusic`."""

from __future__ import annotations

from annotators.music.mir import Mir

# One member needs no discriminator; with a second: Annotated[Mir | Second, Field(discriminator="kind")].
AnyMusic = Mir
