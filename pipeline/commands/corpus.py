"""The commands that look at a corpus as a whole: `report`, `dedup`, `filter` and `check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from soundseam.pipeline.commands.options import Corpus, Overrides, Workers
from soundseam.pipeline.commands.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from soundseam.pipeline.filters.launch import FilterSummary

MAX_WRONG = 20
"""A check shows at most this many texts that do not follow from their rows."""


def report(
    output: Corpus,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            "--to",
            help="Folder for the report; an earlier report there is replaced.",
            show_default="OUT/report",
        ),
    ] = None,
    segments: Annotated[
        int, typer.Option("--segments", min=0, max=5000, help="How many segments can be listened to, drawn at random.")
    ] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other segments.")] = 0,
    title: Annotated[str | None, typer.Option("--title", help="Title of the page.", show_default="OUT's name")] = None,
    *,
    terminal: Terminal,
) -> None:
    """Write an HTML page for browsing and listening to a corpus: one folder that opens from disk, without a server.

    Totals and distributions cover the whole corpus. Audio, spectrograms and annotations of the drawn segments are
    copied beside the page: about 300 kB per 12 s.
    """
    from soundseam.pipeline.report.launch import ReportRequest, make_report

    made = make_report(
        ReportRequest(output=output, target=str(target) if target else None, segments=segments, seed=seed, title=title)
    )
    terminal.result(
        {"page": made.page, "segments": made.segments, "of": made.of},
        f"{made.segments} of {made.of} segments can be listened to; open {made.page} in a browser",
    )


def dedup(
    output: Corpus,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            help="An evaluation set: a folder of audio, or a file written by --fingerprints; may be repeated.",
        ),
    ] = None,
    fingerprints: Annotated[
        Path | None,
        typer.Option(
            "--fingerprints",
            help="Also write the corpus's fingerprints to this file, to publish them without the audio.",
        ),
    ] = None,
    workers: Workers = None,
    *,
    terminal: Terminal,
) -> None:
    """Find segments that occur again in the corpus or in evaluation sets, and mark them in OUT/duplicates.

    Exact duplicates have equal samples; near ones differ in level, codec, sample rate, noise, or where they were cut.
    Nothing is deleted. `sft` puts the duplicates of a segment on the same side of its split. Fingerprints are stored
    in OUT: the same command resumes, and only processes new recordings and new sets.
    """
    from soundseam.pipeline.dedup.launch import DedupRequest, find_duplicates
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.storage.ownership import require_corpus
    from soundseam.pipeline.storage.redact import redact_uri

    request = DedupRequest(
        output=output,
        against=tuple(map(str, against or ())),
        fingerprints=str(fingerprints) if fingerprints else None,
        workers=workers or usable_cores(),
    )
    require_corpus(output)
    with output_in_use(output), terminal.status("computing fingerprints") as update:
        made = find_duplicates(request, lambda done, parts: update(f"fingerprints of {done:,} of {parts:,} files"))
    found, place = made.found, redact_uri(output)
    lines = [f"{found.duplicates:,} of {found.segments:,} segments are duplicates, in {found.clusters:,} clusters"]
    if against:
        lines.append(f"Segments that are also in an evaluation set: {found.contaminated:,}")
    if made.seconds is None:
        lines.insert(0, f"Nothing to do: {place}/duplicates is up to date")
    else:
        speed = made.hours / max(made.seconds, 0.001)
        lines.append(f"{made.hours:.2f} h in {made.seconds:.1f} s, {speed:.2f} h per second: {place}/duplicates")
    terminal.result({**found.model_dump(), "hours": made.hours, "seconds": made.seconds}, *lines)


def filter(  # noqa: A001 - the command's name
    output: Corpus,
    config: Annotated[
        str | None,
        typer.Option("--config", help="YAML file of options; see docs/captions.md.", show_default="built in"),
    ] = None,
    overrides: Overrides = None,
    marks: Annotated[
        str | None,
        typer.Option(
            "--marks", help="CSV file of marks that a report saves: takes out what is rejected, keeps what is accepted."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back all captions that were filtered.")] = False,
    *,
    terminal: Terminal,
) -> None:
    """Take captions out of a corpus: near-duplicates, openings that are too common, jargon, wrong language, length,
    coverage, or a mark of a person who has listened.

    Filtered captions go to OUT/rejected with the reason, and in full to OUT/filtered. Nothing is lost: with other
    options captions come back. Reads the whole corpus each time: run it again after adding recordings.
    """
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.filters.config import NOTHING, load_filter_config
    from soundseam.pipeline.filters.launch import FilterRequest, run_filter
    from soundseam.pipeline.filters.marks import read_marks
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.storage.ownership import require_corpus
    from soundseam.pipeline.storage.redact import redact_uri

    if undo and (config or overrides or marks):
        raise SetupError("--undo cannot be combined with --config, --set or --marks: leave them out")
    chosen = NOTHING if undo else load_filter_config(config, tuple(overrides or ()))
    marked = dict(read_marks(marks)) if marks else {}
    require_corpus(output)
    with output_in_use(output), terminal.status("reading captions") as update:
        request = FilterRequest(output=output, config=chosen, marks=marked, dry_run=dry_run)
        summary, was_due = run_filter(request, lambda done, of: update(f"{done:,} of {of:,} shards"))
    parts: list[RenderableType] = []
    if not was_due:
        parts.append(f"Nothing to do: the captions of {redact_uri(output)} are filtered with these options")
    if summary.reasons:
        parts.append(_filter_table(summary))
    remaining = summary.captions - summary.filtered
    would = "would be" if dry_run else "are"
    parts.append(f"{summary.filtered:,} of {summary.captions:,} captions {would} filtered, {remaining:,} stay")
    terminal.result(summary, *parts)


def _filter_table(summary: FilterSummary) -> Table:
    table = Table(title="Filtered", title_justify="left")
    table.add_column("reason")
    table.add_column("captions", justify="right")
    for reason, count in summary.reasons:
        table.add_row(reason, f"{count:,}")
    return table


def inspect(
    output: Annotated[
        str, typer.Argument(metavar="OUT", show_default=False, help="Folder of the corpus; it may be incomplete.")
    ],
    captions: Annotated[int, typer.Option("--captions", min=0, help="How many captions to show.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other captions.")] = 0,
    *,
    terminal: Terminal,
) -> None:
    """Show what is in a corpus: hours, segments, branches, classes, lengths, rejects, some captions, and the chapters
    of a recording."""
    from soundseam.pipeline.commands.display import inspection_view
    from soundseam.pipeline.inspection import inspect_corpus, sample_captions, sample_chapters
    from soundseam.pipeline.storage.ownership import require_corpus

    require_corpus(output)
    inspection, samples = inspect_corpus(output), sample_captions(output, captions, seed)
    whole = sample_chapters(output) if captions else None
    terminal.result(
        {**inspection.model_dump(), "sample_captions": samples, "sample_recording": whole},
        inspection_view(inspection, samples, whole),
    )


def check(
    output: Corpus,
    discard: Annotated[
        bool,
        typer.Option(
            "--discard", help="Move damaged files to OUT/_run/damaged, so that the listed commands rebuild them."
        ),
    ] = False,
    *,
    terminal: Terminal,
) -> None:
    """Read every committed file of a corpus; list those that are missing, truncated or altered, and how to rebuild
    them. Derive the captions of recordings again from the rows they cite.

    Exits with 4 if anything is damaged, or a caption does not follow from its rows. Reads the whole corpus; `run`
    itself notices files that are missing or truncated.
    """
    from soundseam.pipeline.config import DamagedError
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.long.launch import check_long
    from soundseam.pipeline.storage.check import check_corpus, set_aside
    from soundseam.pipeline.storage.ownership import require_corpus
    from soundseam.pipeline.storage.redact import redact_uri

    require_corpus(output)
    lines = []
    with output_in_use(output), terminal.status("reading") as update:
        damaged = check_corpus(output, lambda done, of: update(f"{done:,} of {of:,} files"))
        lines += [f"{redact_uri(file.uri)}: {file.damage}; {file.remedy}" for file in damaged]
        if discard:
            moved = set_aside(output, (file.uri for file in damaged))
            lines.append(f"{moved:,} files moved to {redact_uri(output)}/_run/damaged")
        wrong = [] if damaged else list(check_long(output))
        lines += [f"{one.recording_id}: {one.text}: {one.why}" for one in wrong[:MAX_WRONG]]
    if not damaged:
        lines.append("every committed file is present and unchanged")
    found = [{**file.model_dump(), "remedy": file.remedy} for file in damaged]
    terminal.result([*found, *(one.model_dump() for one in wrong)], *lines)
    if wrong:
        raise DamagedError(
            f"{len(wrong):,} texts of recordings do not follow from the rows that they cite: soundseam long "
            f"{redact_uri(output)} builds those of changed rows again"
        )
    if damaged:
        hint = "" if discard else " (for altered files, run soundseam check --discard first)"
        raise DamagedError(f"{len(damaged):,} committed files are damaged: the commands above rebuild them{hint}")


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    inspect: ("soundseam inspect out", "soundseam inspect out --captions 3 --seed 1"),
    report: (
        "soundseam report out",
        "soundseam report out --output page --segments 20 --seed 1 --title Samples",
    ),
    dedup: (
        "soundseam dedup out --fingerprints fingerprints.parquet",
        "soundseam dedup out --against samples/recordings",
    ),
    check: ("soundseam check out", "soundseam check out --discard"),
    filter: (
        "soundseam filter out --dry-run",
        "soundseam filter out --set near_duplicates.keep=1 --set collapse.share=0.02",
        "soundseam filter out --undo",
    ),
}
"""Each with examples for its help, which tests run."""
