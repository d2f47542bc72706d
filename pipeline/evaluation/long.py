"""Scores recordings' captions and chapters against known content: `long.jsonl` or `ami.jsonl`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table as RichTable

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.evaluation.labelled import (
    LabelledFolderError,
    LabelledLine,
    TimedLabel,
    read_labelled_folder,
    read_list,
)
from soundseam.pipeline.evaluation.long_claims import FalseText, LongTruth, TrueSpan, false_texts, speaker_mapping
from soundseam.pipeline.evaluation.named_clips import labels_in
from soundseam.pipeline.input.sources import recording_id_of
from soundseam.pipeline.long.check import claims_of
from soundseam.pipeline.long.launch import read_recording_captions
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.schemas.long import RecordingCaption
from soundseam.schemas.record import Record
from soundseam.schemas.tables import LongTable
from soundseam.schemas.timespan import TimeSpan, covered_ms

LONG_LIST = "long.jsonl"
NEAR_MS = 2_000
"""A boundary counts as found within this distance."""
SHOWN = 20


class _Kind(TimedLabel):
    kind: str


class _Turn(TimedLabel):
    speaker: str


class _Piece(TimedLabel):
    piece: str


class _Sound(TimedLabel):
    label: str


class LongLine(LabelledLine):
    """One line of `long.jsonl`."""

    chapters: tuple[_Kind, ...]
    turns: tuple[_Turn, ...]
    pieces: tuple[_Piece, ...]
    sounds: tuple[_Sound, ...]


class LongScores(Record):
    """Scores of the captions of recordings with known content; None if there is nothing to count."""

    recordings: int
    boundary_precision: float | None
    """Share of chapter boundaries that are within 2 s of the stretch between two true chapters."""
    boundary_recall: float | None
    """Share of true boundaries with a chapter boundary within 2 s."""
    named_speech: float | None
    """Share of the true speech in recordings whose speakers are named."""
    speaker_right: float | None
    """Share of the named speech whose name stands for the same true speaker throughout."""
    speaker_counts_right: float | None
    """Of the recordings whose speakers are said to be all known, the share with the right number of them."""
    counts: int
    counts_right: float | None
    """Share of exact counts, of sounds and of how often music plays, over a whole recording, that are right."""
    bounds: int
    bounds_hold: float | None
    """Share of sounds with a count that is a lower bound that occur at least as often."""
    order_right: float | None
    """Share of pairs of speakers, pieces and sounds that first occur in the order in which the caption has them."""
    pieces_right: float | None
    """Share of pairs of stretches called the same piece, or distinct ones, that are."""
    texts: int
    false: tuple[FalseText, ...]

    @property
    def false_share(self) -> float | None:
        return len(self.false) / self.texts if self.texts else None


def evaluate_long(output: str, labels: Path) -> LongScores:
    """Raises LabelledFolderError if `labels` is not in the format, SetupError if no recording with a caption is
    listed."""
    require_corpus(output, LongTable.RECORDING_CAPTIONS)
    truths = read_long_truths(labels)
    found = [
        (caption, truths[caption.recording_id])
        for caption in read_recording_captions(output)
        if caption.recording_id in truths
    ]
    if not found:
        raise SetupError(f"{output} has no caption of a recording that {labels} lists: run soundseam long {output}")
    return score_long(found)


def read_long_truths(folder: Path) -> dict[str, LongTruth]:
    """recording_id → what is known of it."""
    if (folder / LONG_LIST).is_file():
        lines = read_list(folder / LONG_LIST, LongLine)
        return {recording_id_of(str(folder / line.file)): _truth_of(line) for line in lines}
    if not (folder / "ami.jsonl").is_file():
        raise LabelledFolderError(f"{folder} has neither {LONG_LIST} nor ami.jsonl")
    return {
        recording_id_of(str(folder / one.file)): LongTruth(
            turns=tuple(TrueSpan(turn.speaker, turn.span) for turn in one.turns)
        )
        for one in read_labelled_folder(folder).conversations
    }


def _truth_of(line: LongLine) -> LongTruth:
    return LongTruth(
        chapters=tuple(one.span for one in line.chapters),
        turns=tuple(TrueSpan(one.speaker, one.span) for one in line.turns),
        pieces=tuple(TrueSpan(one.piece, one.span) for one in line.pieces),
        sounds=tuple(TrueSpan(one.label, one.span, frozenset(labels_in(one.label))) for one in line.sounds),
        is_complete=True,
    )


@dataclass(frozen=True)
class _Sums:
    """How much of each kind is right, and how much there is."""

    pairs: Counter[str]

    def add(self, name: str, right: int, total: int) -> None:
        self.pairs[f"{name} right"] += right
        self.pairs[name] += total

    def share(self, name: str) -> float | None:
        total = self.pairs[name]
        return round(self.pairs[f"{name} right"] / total, 4) if total else None


def score_long(found: Sequence[tuple[RecordingCaption, LongTruth]]) -> LongScores:
    sums, false, texts = _Sums(Counter()), list[FalseText](), 0
    for caption, truth in found:
        _score_boundaries(caption, truth, sums)
        _score_speakers(caption, truth, sums)
        _score_counts(caption, truth, sums)
        _score_pieces(caption, truth, sums)
        _score_order(caption, truth, sums)
        texts += sum(1 for _ in claims_of(caption))
        false += false_texts(caption, truth)
    return LongScores(
        recordings=len(found),
        boundary_precision=sums.share("precision"),
        boundary_recall=sums.share("recall"),
        named_speech=sums.share("named"),
        speaker_right=sums.share("speaker"),
        speaker_counts_right=sums.share("speaker count"),
        counts=sums.pairs["count"],
        counts_right=sums.share("count"),
        bounds=sums.pairs["bound"],
        bounds_hold=sums.share("bound"),
        order_right=sums.share("order"),
        pieces_right=sums.share("piece"),
        texts=texts,
        false=tuple(false),
    )


def _score_boundaries(caption: RecordingCaption, truth: LongTruth, sums: _Sums) -> None:
    if not truth.chapters:
        return
    edges = [TimeSpan(before.end_ms - NEAR_MS, after.start_ms + NEAR_MS) for before, after in pairwise(truth.chapters)]
    # Between two chapters lies a gap of their own, in which the boundary may be anywhere.
    cuts = [TimeSpan(before.end_ms, after.start_ms) for before, after in pairwise(caption.chapters)]
    sums.add("precision", sum(any(_meets(cut, edge) for edge in edges) for cut in cuts), len(cuts))
    sums.add("recall", sum(any(_meets(cut, edge) for cut in cuts) for edge in edges), len(edges))


def _meets(cut: TimeSpan, edge: TimeSpan) -> bool:
    return cut.start_ms <= edge.end_ms and cut.end_ms >= edge.start_ms


def _score_speakers(caption: RecordingCaption, truth: LongTruth, sums: _Sums) -> None:
    spoken = covered_ms(turn.span for turn in truth.turns)
    named = [turn.span for speaker in caption.speakers for turn in speaker.turns]
    inside = sum(turn.span.overlap_ms(span) for turn in truth.turns for span in named)
    sums.add("named", min(inside, spoken), spoken)
    mapping = speaker_mapping(caption, truth)
    right = sum(
        turn.span.overlap_ms(part.span)
        for speaker in caption.speakers
        for part in speaker.turns
        for turn in truth.turns
        if mapping.get(speaker.name) == turn.name
    )
    sums.add("speaker", min(right, inside), inside)
    if caption.all_speakers:
        sums.add("speaker count", len(caption.speakers) == len({turn.name for turn in truth.turns}), 1)


def _score_counts(caption: RecordingCaption, truth: LongTruth, sums: _Sums) -> None:
    whole = TimeSpan(0, caption.duration_ms)
    for sound in caption.sounds if truth.is_complete else ():
        stated, true = len(sound.occurrences), truth.counts_of(sound.label, whole)
        if sound.countable:
            sums.add("count", stated in true, 1)
        else:
            sums.add("bound", stated <= true[-1], 1)
    if caption.all_music and truth.is_complete:
        parts = sum(len(piece.parts) for piece in caption.pieces)
        sums.add("count", parts == truth.times_of_music(), 1)


def _score_order(caption: RecordingCaption, truth: LongTruth, sums: _Sums) -> None:
    firsts = list(_firsts(caption, truth))
    for index, (stated, true) in enumerate(firsts):
        for other, other_true in firsts[:index]:
            if abs(true - other_true) > NEAR_MS:
                sums.add("order", (stated < other) == (true < other_true), 1)


def _firsts(caption: RecordingCaption, truth: LongTruth) -> Iterator[tuple[int, int]]:
    """(where the caption has it first, where it first is) of each speaker, piece and sound that the truth has."""
    mapping = speaker_mapping(caption, truth)
    found = [
        *(
            (one.turns, [turn for turn in truth.turns if turn.name == mapping.get(one.name)])
            for one in caption.speakers
        ),
        *((one.parts, _playing(truth, one.parts[0].span)) for one in caption.pieces),
        *((one.occurrences, [true for true in truth.sounds if true.is_called(one.label)]) for one in caption.sounds),
    ]
    for stated, true in found:
        if true:
            yield stated[0].start_ms, min(one.span.start_ms for one in true)


def _playing(truth: LongTruth, span: TimeSpan) -> list[TrueSpan]:
    name = _piece_at(truth, span)
    return [one for one in truth.pieces if one.name == name]


def _score_pieces(caption: RecordingCaption, truth: LongTruth, sums: _Sums) -> None:
    parts = [(piece, part.span) for piece in caption.pieces for part in piece.parts]
    for index, (piece, span) in enumerate(parts):
        for other, other_span in parts[:index]:
            same = _piece_at(truth, span) == _piece_at(truth, other_span)
            if piece is other:
                sums.add("piece", same, 1)
            elif piece.distinct or other.distinct:
                sums.add("piece", not same, 1)


def _piece_at(truth: LongTruth, span: TimeSpan) -> str:
    best = max(truth.pieces, key=lambda one: one.span.overlap_ms(span), default=None)
    return best.name if best is not None and best.span.overlap_ms(span) else ""


def long_tables(scores: LongScores) -> Iterator[RenderableType]:
    table = RichTable(title=f"Recordings' captions: {scores.recordings} recordings", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    rows: Mapping[str, float | int | None] = {
        name.replace("_", " "): getattr(scores, name) for name in LongScores.model_fields if name != "false"
    }
    for name, value in {**rows, "false texts": len(scores.false), "false share": scores.false_share}.items():
        table.add_row(name, "-" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}")
    yield table
    yield from _shown(scores.false)


def _shown(false: Iterable[FalseText]) -> Iterator[str]:
    for one in list(false)[:SHOWN]:
        yield f"{one.source_uri} {one.start_ms / 1000:.1f} s: {one.text} ({one.why})"
