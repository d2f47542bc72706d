"""The command `long`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from soundseam.pipeline.commands.options import Corpus, Overrides, Runner, Workers
from soundseam.pipeline.commands.terminal import Terminal
from soundseam.schemas.duplicate import LeaveOut

if TYPE_CHECKING:
    from soundseam.pipeline.long.launch import LongSummary


def long(
    context: typer.Context,
    output: Corpus,
    *,
    config: Annotated[
        str | None,
        typer.Option("--config", help="YAML file of options; see docs/long.md.", show_default="built in"),
    ] = None,
    overrides: Overrides = None,
    leave_out: Annotated[
        list[LeaveOut] | None,
        typer.Option(
            "--leave-out",
            help="copies, evaluation: no window spans segments that dedup found alike, or also in an evaluation set. "
            "May be repeated.",
            show_default="nothing",
        ),
    ] = None,
    workers: Workers = None,
    runner: Runner = "DirectRunner",
    terminal: Terminal,
) -> None:
    """Build windows of consecutive segments, from seconds to an hour, and a caption of each recording: chapters, a
    timeline, and summaries of two lengths.

    From the tables alone; no model runs again. Builds only what is new or has changed: the same command resumes.
    Options of a Beam pipeline are passed through.
    """
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.local.pool import LOCAL_RUNNERS
    from soundseam.pipeline.long.config import load_long_config, long_server_settings
    from soundseam.pipeline.long.launch import check_writer, prepare_long, run_long
    from soundseam.pipeline.sft.read import read_marks
    from soundseam.pipeline.stages.graph import beam_options
    from soundseam.pipeline.storage.ownership import require_corpus

    chosen = load_long_config(config, overrides or ())
    options = beam_options(context.args, runner)
    require_corpus(output)
    with output_in_use(output):
        job = prepare_long(output, chosen, read_marks(output, None, leave_out or ()))
        if job.plan.is_empty:
            terminal.show(f"Nothing to do: the windows and recording captions of {output} are up to date")
        with terminal.progress() as display:
            settings = long_server_settings(config, overrides or ())
            for notice in check_writer(job, settings, runner in LOCAL_RUNNERS):
                display.note(notice)
            summary = run_long(job, workers or usable_cores(), display, options, runner)
    terminal.result(
        summary.model_dump(exclude={"config"}),
        f"{summary.recordings:,} recordings have captions: {summary.chapters:,} chapters, {summary.lines:,} lines, "
        f"{summary.speakers:,} speakers",
        _windows_table(summary),
        f"{summary.at_chapters:,} of {summary.windows:,} windows end with a chapter",
    )


def _windows_table(summary: LongSummary) -> Table:
    table = Table(title="Windows", title_justify="left")
    for heading in ("aimed at, s", "windows"):
        table.add_column(heading, justify="right")
    for target_ms, count in summary.lengths:
        table.add_row(f"{target_ms / 1000:g}", f"{count:,}")
    table.add_row("hours", f"{summary.window_ms / 3_600_000:,.2f}")
    return table


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    long: (
        "soundseam long out",
        "soundseam long out --set chapters.change_cost=8 --workers 2",
    ),
}
"""Each with examples for its help, which tests run."""
