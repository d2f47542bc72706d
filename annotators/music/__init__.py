"""Music backends: one file each, all named in `AnyMusic`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.clap_agreement import MusicClapAgreement
from annotators.music.audio_caption import MusicAudioCaption
from annotators.music.basic_pitch import BasicPitch
from annotators.music.beat_this import BeatThis
from annotators.music.caption import MusicCaption
from annotators.music.clap_tags import MusicClapTags
from annotators.music.description import DescribeMusic
from annotators.music.lyrics import LyricsTranscript
from annotators.music.mir import Mir
from annotators.music.songformer import SongFormer
from annotators.music.structure import Structure
from annotators.music.tags import Tags

AnyMusic = Annotated[
    Mir
    | BeatThis
    | Structure
    | SongFormer
    | BasicPitch
    | Tags
    | MusicClapTags
    | LyricsTranscript
    | DescribeMusic
    | MusicAudioCaption
    | MusicCaption
    | MusicClapAgreement,
    Field(discriminator="kind"),
]
