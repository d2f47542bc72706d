"""Counts captions of a corpus that contradict the labels of its recordings."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rich.console import RenderableType
from rich.table import Table as RichTable

from soundseam.annotators.grammar.composer import derive_in
from soundseam.annotators.grammar.engine import CHINESE
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.evaluation.claim_checks import CHECKS, at_odds, contradictions, reserved, stated_keys
from soundseam.pipeline.evaluation.claim_statement import Statement
from soundseam.pipeline.evaluation.claim_truth import Truth, read_truths
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch
from soundseam.schemas.record import Record, draw
from soundseam.schemas.tables import Table
from soundseam.schemas.timespan import TimeSpan

ONE_CAPTION = "two sentences at odds"
ONE_KEY = "one piece, several keys"
KINDS = (*CHECKS, ONE_CAPTION, ONE_KEY)
SHOWN = 20
OPENING_WORDS = 4
SAMPLE = 200
"""Captions among which openings are counted: of more captions, a larger share begins alike."""


class FalseClaim(Record):
    """A sentence that contradicts the labels."""

    segment_id: str
    source_uri: str
    kind: str
    """What is false about it: one of KINDS."""
    text: str
    why: str


class ClaimScores(Record):
    """Scores of a corpus's captions compared with labels."""

    captions: int
    """Captions of labelled recordings."""
    false_captions: int
    """Captions with at least one false claim."""
    claims: int
    judged: int
    """Claims that could be judged by the labels."""
    false: tuple[FalseClaim, ...]
    reserved: int
    """Hedged claims that are not true; they do not count as false."""
    distinct_openings: float | None = None
    """Number of different first words among up to SAMPLE captions, as a share of those, averaged over samples."""
    commonest_opening: float | None = None
    """Share of all captions that have the most frequent first words."""

    @property
    def false_share(self) -> float | None:
        """Share of captions with a false claim; None without captions."""
        return self.false_captions / self.captions if self.captions else None


@dataclass(frozen=True)
class LabelledCaption:
    """A caption, and the truth about its recording."""

    caption: Caption
    span: TimeSpan
    source_uri: str
    truth: Truth

    def statements(self) -> Iterator[Statement]:
        part = self.truth.part(self.span)
        return (Statement(_in_english(claim), self.span, part) for claim in self.caption.remaining)


def _in_english(claim: Claim) -> Claim:
    """The checks read English: a Chinese claim of the grammar as its English twin."""
    text = derive_in("en", claim) if CHINESE in claim.rule else None
    return claim if text is None else claim.model_copy(update={"text": text})


def evaluate_claims(output: str, labels: Path) -> ClaimScores:
    """Raises LabelledFolderError if `labels` is not in the format, SetupError if no caption is of a listed
    recording.
    """
    require_corpus(output, CAPTIONS_STAGE)
    truths = read_truths(labels)
    corpus = Corpus.load_present(output, [SEGMENTS_STAGE, CAPTIONS_STAGE])
    captions = list(_labelled(corpus, truths))
    if not captions:
        raise SetupError(f"{output} has no caption of a recording that {labels} lists: run it over those recordings")
    return score_claims(captions)


def _labelled(corpus: Corpus, truths: Mapping[str, Truth]) -> Iterator[LabelledCaption]:
    columns = ["segment_id", "recording_id", "start_ms", "end_ms", "source_uri"]
    places = {
        str(row["segment_id"]): (TimeSpan(int(str(row["start_ms"])), int(str(row["end_ms"]))), str(row["source_uri"]))
        for row in corpus.rows(Table.SEGMENTS, columns)
        if row["recording_id"] in truths
    }
    for row in corpus.rows(Table.CAPTIONS, list(Caption.model_fields)):
        if str(row["segment_id"]) in places:
            caption = Caption.model_validate(row)
            yield LabelledCaption(caption, *places[caption.segment_id], truths[caption.recording_id])


def score_claims(captions: Sequence[LabelledCaption]) -> ClaimScores:
    claims = judged = doubted = 0
    false: list[FalseClaim] = [_false(one, claim, ONE_KEY, why) for one, claim, why in keys_at_odds(captions)]
    for one in captions:
        for statement in one.statements():
            was_judged, found = contradictions(statement)
            claims, judged = claims + 1, judged + was_judged
            doubted += bool(reserved(statement))
            false += [_false(one, statement.claim, kind, why) for kind, why in found]
        false += [_false(one, claim, ONE_CAPTION, why) for claim, why in at_odds(one.caption.remaining)]
    return ClaimScores(
        captions=len(captions),
        false_captions=len({claim.segment_id for claim in false}),
        claims=claims,
        judged=judged,
        false=tuple(sorted(false, key=lambda claim: (claim.source_uri, claim.segment_id, claim.kind))),
        reserved=doubted,
        distinct_openings=distinct_openings([one.caption for one in captions]),
        commonest_opening=commonest_opening([one.caption for one in captions]),
    )


def opening_of(text: str) -> str:
    """The first words of a caption, without case and punctuation."""
    return " ".join(re.findall(r"[\w'-]+", text.lower())[:OPENING_WORDS])


def distinct_openings(captions: Sequence[Caption]) -> float | None:
    """See `ClaimScores`; None without captions. Samples are drawn by segment: equal corpora give equal figures."""
    drawn = sorted((one for one in captions if one.caption), key=lambda one: draw(0, one.segment_id))
    whole = range(0, len(drawn) - SAMPLE + 1, SAMPLE) or range(min(1, len(drawn)))
    samples = [drawn[start : start + SAMPLE] for start in whole]
    shares = [len({opening_of(one.caption) for one in sample}) / len(sample) for sample in samples]
    return round(fmean(shares), 4) if shares else None


def commonest_opening(captions: Sequence[Caption]) -> float | None:
    """See `ClaimScores`."""
    counts = Counter(opening_of(one.caption) for one in captions if one.caption)
    return round(max(counts.values()) / counts.total(), 4) if counts else None


def _false(one: LabelledCaption, claim: Claim, kind: str, why: str) -> FalseClaim:
    return FalseClaim(segment_id=one.caption.segment_id, source_uri=one.source_uri, kind=kind, text=claim.text, why=why)


def keys_at_odds(captions: Iterable[LabelledCaption]) -> Iterator[tuple[LabelledCaption, Claim, str]]:
    """Claims of another key than most claims about the same piece; a piece is the range of one label."""
    by_piece: defaultdict[tuple[str, TimeSpan], list[tuple[LabelledCaption, Claim, str]]] = defaultdict(list)
    for one in captions:
        pieces = [event.span for event in one.truth.events if event.branch is Branch.MUSIC]
        pieces = [piece for piece in pieces if piece.overlap_ms(one.span)]
        for claim in one.caption.remaining if len(pieces) == 1 else ():
            for tonic, mode in stated_keys(claim.text):
                by_piece[one.caption.recording_id, pieces[0]].append((one, claim, f"{tonic} {mode}"))
    for claims in by_piece.values():
        ((most, _),) = Counter(key for _, _, key in claims).most_common(1)
        for one, claim, key in claims:
            if key != most and not (key.startswith("None") and key.split()[1] == most.split()[1]):
                yield one, claim, "other segments of the piece are in another key"


def claim_tables(scores: ClaimScores) -> Iterator[RenderableType]:
    """Tables of the shares, of false claims by kind, and of the first false claims."""
    share = "-" if scores.false_share is None else f"{scores.false_share:.1%}"
    table = RichTable(title="Claims compared with labels", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("captions", f"{scores.captions:,}")
    table.add_row("with a false claim", f"{scores.false_captions:,} ({share})")
    table.add_row("claims", f"{scores.claims:,}")
    table.add_row("that labels can judge", f"{scores.judged:,}")
    table.add_row("with reserve, of what is not there", f"{scores.reserved:,}")
    counts = Counter(claim.kind for claim in scores.false)
    for kind in KINDS:
        if counts[kind]:
            table.add_row(f"false: {kind}", f"{counts[kind]:,}")
    for name, value in (
        (f"different openings of {OPENING_WORDS} words, per {SAMPLE} captions", scores.distinct_openings),
        ("with the commonest opening", scores.commonest_opening),
    ):
        if value is not None:
            table.add_row(name, f"{value:.1%}")
    yield table
    if scores.false:
        shown = RichTable(title=f"The first {min(SHOWN, len(scores.false))} false claims", title_justify="left")
        for heading in ("recording", "says", "but"):
            shown.add_column(heading, overflow="fold")
        for claim in scores.false[:SHOWN]:
            shown.add_row(claim.source_uri.rpartition("/")[2], claim.text, claim.why)
        yield shown
