"""The tables of `evaluate speech`: recognisers and aligners side by side, then diarization."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator
from rapidfuzz.distance import Levenshtein

from soundseam.annotators.base import Backend
from soundseam.annotators.detection.base import DetectionBackend, Detector
from soundseam.annotators.detection.silero_vad import SileroVad
from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.annotators.speech.transcripts import measure, speech_stretches
from soundseam.annotators.wording.normalise import plain, unit_of, units_of
from soundseam.pipeline.evaluation.labelled import (
    LabelledFolderError,
    loadable,
    read_labelled_folder,
    read_list,
)
from soundseam.pipeline.evaluation.loop import (
    Annotating,
    Detecting,
    Finding,
    Labelled,
    Scorer,
    Scores,
    ScoreTable,
    Timing,
    evaluate,
    mean_of,
    read_labelled,
    score_table,
)
from soundseam.pipeline.evaluation.speakers import diarizing, evaluate_speakers
from soundseam.pipeline.evaluation.spoken import Outcomes, SpokenSpan, SpokenTruth, errors_of
from soundseam.pipeline.evaluation.without_speech import SilentClip, made_up_text
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import ErrorUnit, SpeechFacts, Word

LONGEST_MS = 30_000


class SpokenClip(BaseModel):
    """One line of clips.jsonl."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    label: Branch = Branch.SPEECH
    text: str = ""
    lang: str | None = None
    words: tuple[SpokenSpan, ...] = ()
    phrases: tuple[SpokenSpan, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, values: object) -> object:
        """A null is the same as a missing field."""
        return {name: one for name, one in values.items() if one is not None} if isinstance(values, Mapping) else values

    @property
    def truth(self) -> SpokenTruth:
        return SpokenTruth(self.text, self.lang, self.phrases)


class BackendScores(Scores):
    """One backend's scores over all recordings; a measure is None if the backend does not answer it."""

    backend: str
    recordings: int = Field(description="number of recordings with a transcript or an alignment")
    rejected: int
    word_error_rate: float | None = Field(description="errors over words of the truth, all recordings together")
    character_error_rate: float | None = Field(description="the same over characters, spaces left out")
    coverage: float | None = Field(description="mean share of the detected speech that words cover")
    agreement: float | None = Field(description="mean")
    usable_share: float | None = Field(description="share of transcripts marked usable for training")
    word_time_aas_ms: float | None = Field(
        description="average absolute shift of starts and ends, if the words match the truth"
    )
    time_source_difference_ms: float | None = Field(
        description="mean distance of aligned times from the recogniser's own, if the text matches the truth"
    )
    times_real_time: float


class SpeechEvaluation(Record):
    """One line per backend, in the configuration's order."""

    recordings: int
    audio_s: float
    backends: tuple[BackendScores, ...]
    together: tuple[ScoreTable, ...] = ()
    """What they come to together."""


@dataclass
class _Tally:
    """The sums for one backend."""

    answered: int = 0
    rejected: int = 0
    word_errors: int = 0
    words: int = 0
    character_errors: int = 0
    characters: int = 0
    coverage: list[float] = field(default_factory=list)
    agreement: list[float] = field(default_factory=list)
    usable: list[bool] = field(default_factory=list)
    time_errors_ms: list[float] = field(default_factory=list)
    source_differences_ms: list[float] = field(default_factory=list)


def transcribing(backends: Sequence[Backend[SpeechFacts]]) -> list[Backend[SpeechFacts]]:
    """The backends among `backends` for words, their times or the measured voice that can load here."""
    others = ("speech_caption", "clap_agreement", "audio_caption", "paralinguistics")
    return [one for one in loadable(backends) if one.kind not in others and not one.takes_recordings]


def evaluate_speech(
    folder: Path, backends: Sequence[Backend[SpeechFacts]], detector: DetectionBackend
) -> SpeechEvaluation:
    """The transcripts, alignments and agreement of `backends`, run in order on each recording of up to 30 s.

    `detector` finds the speech. Raises LabelledFolderError if the folder is not in the format.
    """
    truths = [
        truth
        for truth in read_list(folder / "clips.jsonl", SpokenClip)
        if truth.label is Branch.SPEECH and truth.text.strip()
    ]
    detect = Detecting([detector.load()])
    systems = {backend.backend: Annotating(backend) for backend in backends}
    scorer = SpeechScorer(systems)
    timing = evaluate(_short_ones(folder, truths, detect), systems, scorer)
    agreement = next((backend for backend in backends if isinstance(backend, TranscriptAgreement)), None)
    return SpeechEvaluation(
        recordings=timing.items,
        audio_s=round(timing.audio_s, 1),
        backends=tuple(scorer.scores(timing)),
        together=tuple(scorer.outcomes.tables(agreement)),
    )


def _short_ones(folder: Path, truths: Sequence[SpokenClip], detect: Detecting) -> Iterator[Labelled[SpokenClip]]:
    """Recordings of up to 30 s, with what `detect` finds in them."""
    for item in read_labelled(folder, truths, Branch.SPEECH):
        if 0 < item.duration_ms <= LONGEST_MS:
            detect(item)
            yield item


class SpeechScorer(Scorer[Labelled[SpokenClip], list[Finding]]):
    """Counts words, times and flags against the text of each recording."""

    def __init__(self, systems: Iterable[str]) -> None:
        self._tallies = {name: _Tally() for name in systems}
        self.outcomes = Outcomes()

    def add(self, system: str, item: Labelled[SpokenClip], answer: list[Finding]) -> None:
        for finding in answer:
            if isinstance(finding.row, SpeechAnnotation):
                _judge(finding.row, item.truth, finding.segment, self._tallies[system])
                self.outcomes.add(item.truth.file, item.truth.truth, finding.segment, finding.row)
            else:
                self._tallies[system].rejected += 1

    def scores(self, timing: Timing) -> Iterator[BackendScores]:
        """One a backend, in order."""
        for name, tally in self._tallies.items():
            yield _scores(name, tally, timing.times_real_time(name))


def _judge(row: SpeechAnnotation, truth: SpokenClip, segment: Segment, tally: _Tally) -> None:
    if row.transcript is not None:
        tally.answered += 1
        _count(row.transcript.text, truth, tally)
        coverage = measure(row.transcript, speech_stretches(segment)).coverage
        tally.coverage += [] if coverage is None else [coverage]
        tally.usable.append(row.transcript.usable_for_training)
        tally.time_errors_ms += word_time_errors_ms(row.transcript.words, truth.words)
        if row.transcript.agreement is not None:
            tally.agreement.append(row.transcript.agreement)
    if row.alignment is not None:
        tally.answered += row.transcript is None
        tally.time_errors_ms += word_time_errors_ms(row.alignment.words, truth.words)
        if row.alignment.mean_difference_ms is not None and _says(row.alignment.words, truth):
            tally.source_differences_ms.append(row.alignment.mean_difference_ms)


def _count(text: str, truth: SpokenClip, tally: _Tally) -> None:
    unit, language = unit_of([truth.text]), truth.lang or "en"
    if unit is ErrorUnit.WORDS:
        errors = errors_of(text, truth.truth)
        tally.words += errors.units
        tally.word_errors += errors.edits
    letters = units_of(" ".join(units_of(truth.text, unit, language)), ErrorUnit.CHARACTERS, language)
    recognised = units_of(" ".join(units_of(text, unit, language)), ErrorUnit.CHARACTERS, language)
    tally.characters += len(letters)
    tally.character_errors += Levenshtein.distance(letters, recognised)


def _says(words: Sequence[Word], truth: SpokenClip) -> bool:
    """Whether `words` equal those of the truth, after normalisation."""
    unit, language = unit_of([truth.text]), truth.lang or "en"
    text = " ".join(word.text for word in words)
    return units_of(text, unit, language) == units_of(truth.text, unit, language)


def word_time_errors_ms(words: Sequence[Word], truth: Sequence[SpokenSpan]) -> list[float]:
    """|difference| of every start and end; empty if the words differ from the truth in number or spelling."""
    if [plain(word.text) for word in words] != [plain(word.text) for word in truth]:
        return []
    pairs = zip(words, truth, strict=True)
    return [
        abs(found - 1000 * true)
        for word, said in pairs
        for found, true in ((word.start_ms, said.onset), (word.end_ms, said.offset))
    ]


def _scores(backend: str, tally: _Tally, times_real_time: float) -> BackendScores:
    return BackendScores(
        backend=backend,
        recordings=tally.answered,
        rejected=tally.rejected,
        word_error_rate=round(tally.word_errors / tally.words, 4) if tally.words else None,
        character_error_rate=round(tally.character_errors / tally.characters, 4) if tally.characters else None,
        coverage=mean_of(tally.coverage),
        agreement=mean_of(tally.agreement),
        usable_share=mean_of([float(usable) for usable in tally.usable]),
        word_time_aas_ms=mean_of(tally.time_errors_ms),
        time_source_difference_ms=mean_of(tally.source_differences_ms),
        times_real_time=times_real_time,
    )


def speech_tables(
    folder: Path, backends: Sequence[Backend[SpeechFacts]], detectors: Sequence[Detector] = ()
) -> Iterator[ScoreTable]:
    """Tables for texts, and for text that is made up, if there is a clips.jsonl, and one for speakers if turns of an
    ami.jsonl name them.

    `detectors` decide which recordings without speech reach recognisers: none, if there are no detectors. Raises
    LabelledFolderError if there is neither list.
    """
    has_texts = (folder / "clips.jsonl").is_file()
    conversations = [
        one
        for one in (read_labelled_folder(folder).conversations if (folder / "ami.jsonl").is_file() else ())
        if one.knows_speakers
    ]
    if not has_texts and not conversations:
        raise LabelledFolderError(f"{folder} has no clips.jsonl, and no ami.jsonl with the speakers of turns")
    if has_texts:
        texts = evaluate_speech(folder, transcribing(backends), SileroVad())
        yield score_table(f"Speech: {texts.recordings} recordings, {texts.audio_s:.0f} s", texts.backends)
        yield from texts.together
        silent = read_list(folder / "clips.jsonl", SilentClip)
        yield from made_up_text(folder, silent, transcribing(backends), detectors, LONGEST_MS)
    if conversations:
        found = evaluate_speakers(folder, conversations, diarizing(backends), SileroVad())
        yield score_table(f"Speakers: {found.conversations} conversations, {found.audio_s:.0f} s", found.backends)
