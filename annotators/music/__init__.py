"""Music backends: one file each, all named in `AnyMusic`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundseam.annotators.audio_caption import MusicAudioCaption
from soundseam.annotators.clap import MusicClapAgreement
from soundseam.annotators.grammar.composer import MusicCaption
from soundseam.annotators.music.basic_pitch import BasicPitch
from soundseam.annotators.music.beat_this import BeatThis
from soundseam.annotators.music.clap_tags import MusicClapTags
from soundseam.annotators.music.description import DescribeMusic
from soundseam.annotators.music.lyrics import LyricsTranscript
from soundseam.annotators.music.mir import Mir
from soundseam.annotators.music.songformer import SongFormer
from soundseam.annotators.music.structure import Structure
from soundseam.annotators.music.tags import Tags

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
