"""OUT/annotations/<branch>: one row a (segment, backend), one table a branch."""

from __future__ import annotations

from schemas.event import Branch
from schemas.general import GeneralFacts
from schemas.music import MusicFacts
from schemas.record import Record
from schemas.speech import SpeechFacts

Facts = SpeechFacts | MusicFacts | GeneralFacts
"""What a backend answers for one clip: the typed fields of its branch, null where it does not measure them."""


class AnnotationKey(Record):
    """What every annotation row begins with: whose it is and what made it."""

    segment_id: str
    recording_id: str
    branch: Branch
    backend: str
    model: str
    revision: str
    config_key: str


class SpeechAnnotation(SpeechFacts, AnnotationKey):
    """One row of `annotations/speech`."""


class MusicAnnotation(MusicFacts, AnnotationKey):
    """One row of `annotations/music`."""


class GeneralAnnotation(GeneralFacts, AnnotationKey):
    """One row of `annotations/general`."""


Annotation = SpeechAnnotation | MusicAnnotation | GeneralAnnotation

ANNOTATION_OF: dict[Branch, type[SpeechAnnotation] | type[MusicAnnotation] | type[GeneralAnnotation]] = {
    Branch.SPEECH: SpeechAnnotation,
    Branch.MUSIC: MusicAnnotation,
    Branch.GENERAL: GeneralAnnotation,
}
