"""How a caption comes about, in Markdown: a sample worked out, what a verifier's answers make, prompts, options."""

from __future__ import annotations

from pathlib import Path

from docs.reference import documented_fields, markdown_table, option_table
from soundseam.annotators.prompts import CAPTIONS
from soundseam.pipeline.captions.caption_config import (
    VERIFIER_PROMPTS,
    WRITER_PROMPTS,
    CaptionConfig,
    VerifierConfig,
    WriterConfig,
)
from soundseam.pipeline.captions.plan import Planned, plan_caption
from soundseam.pipeline.captions.verify import judge
from soundseam.pipeline.captions.writing import writer_question
from soundseam.pipeline.config import load_config
from soundseam.pipeline.filters.config import FilterConfig
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.read import read_recordings
from soundseam.pipeline.storage.commits import read_layout, shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.tables import Table

SHOWN = "scene.flac"
SHOWN_SEGMENT = 1
"""Which of its segments, from 0: one with speech beside another sound."""
ANSWERS = ((0.97, 0.04), (0.70, 0.20), (0.62, 0.55), (0.98, 0.90), (0.10, 0.93), (0.08, 0.15))
"""P(yes) to "is it true?" and to "is it false?"."""


def worked(corpus: Path) -> str:
    """One segment of the samples: its priors and facts, its sentences with their rules and evidence."""
    material = _shown(corpus)
    assert material.caption is not None
    planned = plan_caption(material.segment, material.annotations)
    assert planned.plan == material.caption.plan
    parts = [
        f"The segment from {_seconds(material.segment.start_ms)} s to {_seconds(material.segment.end_ms)} s of "
        f"`{SHOWN}`. Its priors: "
        + ", ".join(f"{prior.branch} {prior.strength:.2f}" for prior in planned.plan.priors)
        + f". Conflicts: {', '.join(one.topic for one in planned.plan.conflicts) or 'none'}. Its facts, in the order "
        "in which they count, with times from its start:",
        _facts(planned),
        f"The grammar says of them:\n\n> {material.caption.caption}",
        _claims(material),
    ]
    return "\n\n".join(parts)


def writer_input(corpus: Path) -> str:
    """What a writer is given of the same segment."""
    material = _shown(corpus)
    config = CaptionConfig(composer="writer", writer=WriterConfig())
    planned = plan_caption(material.segment, material.annotations)
    return f"```json\n{writer_question(planned, config, WriterConfig()).text}\n```"


def verdicts() -> str:
    """What answers make of a claim, with the default thresholds."""
    rows = []
    for affirmed, denied in ANSWERS:
        verdict, held, check = judge(affirmed, denied, VerifierConfig())
        rows.append((f"{affirmed:.2f}", f"{denied:.2f}", f"{held:.2f}", verdict, check.doubt or ""))
    return markdown_table(('P(yes), "is it true?"', 'P(yes), "is it false?"', "probability", "verdict", "doubt"), rows)


def prompts() -> str:
    """The English prompts, as they are sent."""
    names = (*WRITER_PROMPTS, *VERIFIER_PROMPTS)
    return "\n\n".join(f"`{name}.en.txt`\n\n```text\n{CAPTIONS.text(name, 'en')}\n```" for name in names)


def filter_options() -> str:
    return option_table(documented_fields(FilterConfig))


def _shown(corpus: Path) -> Material:
    output = str(corpus)
    segments = Corpus.load_present(output, [SEGMENTS_STAGE]).rows(Table.SEGMENTS, ["recording_id", "source_uri"])
    recording_id = next(str(row["recording_id"]) for row in segments if str(row["source_uri"]).endswith(f"/{SHOWN}"))
    (recording,) = read_recordings(output, shard_of(recording_id, read_layout(output).shards), [recording_id])
    shown = recording.segments[SHOWN_SEGMENT]
    # The plan depends on the order of the rows: that of the configuration.
    backends = [backend.backend for group in load_config("embedded").branches.by_branch().values() for backend in group]
    rows = sorted(shown.annotations, key=lambda row: backends.index(row.backend))
    return Material(shown.segment, tuple(rows), shown.caption)


def _facts(planned: Planned) -> str:
    start = planned.segment.start_ms
    rows = [
        (
            fact.kind,
            f"{_seconds(fact.start_ms - start)} – {_seconds(fact.end_ms - start)} s",
            fact.content,
            f"`{fact.name}`",
            f"{entry.weight:.2f}",
        )
        for fact, entry in zip(planned.facts, planned.plan.facts, strict=True)
    ]
    return markdown_table(("kind", "when", "says", "read from", "weight"), rows)


def _claims(material: Material) -> str:
    assert material.caption is not None
    rows = []
    for claim in material.caption.claims:
        places = dict.fromkeys(f"`{one.backend or one.table}`: {one.field.partition('.')[0]}" for one in claim.evidence)
        rows.append((claim.text, f"`{claim.rule}`", ", ".join(places)))
    return markdown_table(("sentence", "rule", "rests on"), rows)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f}"
