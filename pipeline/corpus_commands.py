"""The commands that look at a corpus as a whole: `report` and `dedup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

Corpus = Annotated[str, typer.Argument(metavar="OUT", show_default=False, help="Folder of the corpus.")]


def report(
    output: Corpus,
    target: Annotated[
        Path | None,
        typer.Option(
            "--to", help="Folder for the report; an earlier report there is replaced.", show_default="OUT/report"
        ),
    ] = None,
    segments: Annotated[
        int, typer.Option("--segments", min=0, max=5000, help="How many segments can be listened to, drawn at random.")
    ] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, other segments.")] = 0,
    title: Annotated[
        str | None, typer.Option("--title", help="What the page is called.", show_default="OUT's name")
    ] = None,
) -> None:
    """Write a page to look at and listen to a corpus: one folder that opens from disk, without a server.

    Totals and distributions are of the whole corpus. Audio, spectrograms and annotations of the drawn segments are
    copied beside the page: about 300 kB for 12 s.
    """
    from pipeline.report.launch import ReportRequest, make_report

    made = make_report(
        ReportRequest(output=output, target=str(target) if target else None, segments=segments, seed=seed, title=title)
    )
    console = Console(soft_wrap=True)
    console.print(Text(f"{made.segments} of {made.of} segments can be listened to; open {made.page} in a browser"))
