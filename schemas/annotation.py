"""OUT/annotations/<branch>: one row per segment and backend, one table per branch."""

from __future__ import annotations

from pydantic import Field

from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import MusicFacts
from soundseam.schemas.record import Record
from soundseam.schemas.speech import SpeechFacts

Facts = SpeechFacts | MusicFacts | GeneralFacts
"""What a backend returns for one clip: the typed fields of its branch, null if it does not measure them."""


class AnnotationKey(Record):
    """The first fields of every annotation row: which segment it belongs to and what made it."""

    segment_id: str = Field(description="the segment it is about")
    recording_id: str = Field(description="the recording of that segment")
    branch: Branch = Field(description="speech, music or general: the table's own")
    backend: str = Field(description="the backend's name in the configuration; one row per segment and backend")
    model: str = Field(description="which model or algorithm answered")
    revision: str = Field(description="changes whenever its answers may: a checksum, a hub commit, a version")
    config_key: str = Field(description="key of the configuration and models that made this row")


class SpeechAnnotation(SpeechFacts, AnnotationKey):
    """One row of `annotations/speech`: what one backend measured of one segment's speech."""


class MusicAnnotation(MusicFacts, AnnotationKey):
    """One row of `annotations/music`: what one backend measured of one segment's music."""


class GeneralAnnotation(GeneralFacts, AnnotationKey):
    """One row of `annotations/general`: what one backend measured of one segment as sound."""


Annotation = SpeechAnnotation | MusicAnnotation | GeneralAnnotation

ANNOTATION_OF: dict[Branch, type[SpeechAnnotation] | type[MusicAnnotation] | type[GeneralAnnotation]] = {
    Branch.SPEECH: SpeechAnnotation,
    Branch.MUSIC: MusicAnnotation,
    Branch.GENERAL: GeneralAnnotation,
}
