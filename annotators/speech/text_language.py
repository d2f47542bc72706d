"""The language of a transcript, from its text, compared with the language detected by a recogniser: `text_language`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, BackendUnavailableError, Clip
from soundseam.annotators.speech.transcripts import is_in_another_language, language_of
from soundseam.annotators.weights import installed_version
from soundseam.annotators.wording.normalise import primary_language
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts, SpeechLanguage, Transcript

if TYPE_CHECKING:
    from lingua import LanguageDetector


class TextLanguage(Backend[SpeechFacts]):
    """The language of the text by lingua, of the audio by the recogniser, and whether they agree.

    The language of the text is null if the recording's language, stated or detected, is not among `languages`, or if
    none of them is likely enough.
    """

    kind: Literal["text_language"] = "text_language"
    languages: tuple[str, ...] = Field(
        default=("ar", "de", "en", "es", "fr", "hi", "ja", "ko", "ru", "zh"), min_length=2, max_length=20
    )
    """Possible languages, ISO 639-1: each needs about 100 MB of memory per worker, and makes short texts harder."""
    min_confidence: float = Field(alias="least_confidence", default=0.5, ge=0.0, le=1.0)
    """Minimum confidence among `languages`; below it the text's language is unknown."""
    min_letters: int = Field(alias="least_letters", default=20, ge=1)
    """Minimum length of the text; ideographs and kana count threefold."""

    branch: ClassVar[Branch] = Branch.SPEECH
    sample_rate_hz: ClassVar[int | None] = None
    reads_annotations: ClassVar[bool] = True
    reads_language: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("lingua",)
    remedy: ClassVar[str] = "pip install 'soundseam[speech]'"
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "lingua"

    @property
    def revision(self) -> str:
        return f"{installed_version('lingua-language-detector')}-3"

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        from lingua import IsoCode639_1, LanguageDetectorBuilder

        unknown = [code for code in self.languages if not hasattr(IsoCode639_1, code.upper())]
        if unknown:
            raise BackendUnavailableError(
                f"{self.backend} does not support {', '.join(unknown)}: use ISO 639-1 codes, such as en or zh"
            )
        codes = [getattr(IsoCode639_1, code.upper()) for code in self.languages]
        return TextLanguageAnnotator(LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build(), self)


class TextLanguageAnnotator:
    """The annotator of `TextLanguage`."""

    def __init__(self, detector: LanguageDetector, backend: TextLanguage) -> None:
        self._detector = detector
        self._backend = backend

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [SpeechFacts(language=self._judge(clip)) for clip in clips]

    def _judge(self, clip: Clip) -> SpeechLanguage:
        transcripts = _transcripts(clip)
        from_audio = next((t.language for t in transcripts if t.language_probability is not None), None)
        spoken = language_of(clip) or from_audio
        texts = (one.text for one in transcripts if not is_in_another_language(one, spoken))
        text = next((text for text in texts if letters_of(text) >= self._backend.min_letters), None)
        considered = spoken is None or primary_language(spoken) in self._backend.languages
        guesses = self._detector.compute_language_confidence_values(text) if text and considered else []
        if not guesses or guesses[0].value < self._backend.min_confidence:
            return SpeechLanguage(from_audio=from_audio, from_text=None, text_confidence=None, agrees=None)
        from_text = guesses[0].language.iso_code_639_1.name.lower()
        return SpeechLanguage(
            from_audio=from_audio,
            from_text=from_text,
            text_confidence=round(min(1.0, guesses[0].value), 3),
            agrees=None if from_audio is None else primary_language(from_audio) == from_text,
        )


def letters_of(text: str) -> int:
    """Number of letters in `text`; characters for a syllable or a word count as three."""
    return sum(3 if "\u3040" <= character <= "\ud7af" else 1 for character in text if character.isalpha())


def _transcripts(clip: Clip) -> list[Transcript]:
    """The transcripts of earlier rows, an agreed one first."""
    rows = [row for row in clip.annotations if isinstance(row, SpeechAnnotation) and row.transcript is not None]
    rows.sort(key=lambda row: row.agreement is None)
    return [row.transcript for row in rows if row.transcript is not None]
