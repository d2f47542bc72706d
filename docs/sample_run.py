"""What came out of a run, in Markdown: what the README shows of its main job."""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
import yaml

from soundseam.pipeline.inspection import inspect_corpus

SHOWN = "scene.flac"
"""The recording whose captions are shown: it mixes all kinds of sound."""
CONVERSATION = "meeting.flac"


def summary(corpus: Path) -> str:
    """The numbers of the corpus, without those that depend on the machine."""
    found = inspect_corpus(str(corpus))
    rejected = ", ".join(f"{count.reason} {count.rows}" for count in found.rejected) or "nothing"
    rows = [
        ("recordings", f"{found.recordings}, {found.audio_ms / 60_000:.1f} min"),
        (
            "segments",
            f"{found.segments}, median {found.median_ms / 1000:.1f} s, 95 % under {found.p95_ms / 1000:.1f} s",
        ),
        ("segments a branch", ", ".join(f"{branch} {count}" for branch, count in found.branches)),
        ("share of time", ", ".join(f"{name} {share:.0%}" for name, share in found.classes)),
        ("captions", f"{found.captions}"),
        ("rejected", rejected),
    ]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def captions(corpus: Path) -> str:
    """Every segment of the shown recording with its branches and its caption."""
    return _captions_of(corpus, SHOWN)


def conversation(corpus: Path) -> str:
    """The same of the recording in which two people talk with each other."""
    return _captions_of(corpus, CONVERSATION)


def _captions_of(corpus: Path, recording: str) -> str:
    segments = {
        row["segment_id"]: row
        for row in ds.dataset(corpus / "segments")
        .to_table(columns=["segment_id", "source_uri", "start_ms", "end_ms", "branches"])
        .to_pylist()
        if row["source_uri"].endswith(f"/{recording}")
    }
    rows = ds.dataset(corpus / "captions").to_table(columns=["segment_id", "caption"]).to_pylist()
    lines = [
        f"| {_time(segment['start_ms'])} | {', '.join(segment['branches'])} | {row['caption']} |"
        for row in sorted(rows, key=lambda row: str(row["segment_id"]))
        if (segment := segments.get(row["segment_id"])) is not None
    ]
    return "\n".join(["| begins | branches | caption |", "| --- | --- | --- |", *lines])


def claim(corpus: Path) -> str:
    """The first claim of the first caption of the shown recording, as it stands in its row."""
    segments = ds.dataset(corpus / "segments").to_table(columns=["segment_id", "source_uri"]).to_pylist()
    shown = min(row["segment_id"] for row in segments if row["source_uri"].endswith(f"/{SHOWN}"))
    rows = ds.dataset(corpus / "captions").to_table(filter=ds.field("segment_id") == shown).to_pylist()
    first = rows[0]["claims"][0]
    evidence = [{name: one[name] for name in ("table", "backend", "field", "value")} for one in first["evidence"]]
    text = yaml.safe_dump(
        {"text": first["text"], "rule": first["rule"], "evidence": evidence},
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=None,
    )
    return f"```yaml\n{text.rstrip()}\n```"


def _time(ms: int) -> str:
    seconds = round(ms / 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"
