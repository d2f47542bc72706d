"""Arguments and options that several commands have, each with the same name, meaning and help in all of them."""

from __future__ import annotations

from typing import Annotated

import typer


def complete_profile(incomplete: str) -> list[str]:
    """For shell completion."""
    from soundseam.pipeline.config import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


Corpus = Annotated[str, typer.Argument(metavar="OUT", show_default=False, help="Folder of the corpus.")]
Profile = Annotated[
    str,
    typer.Option(
        "--profile",
        "--config",
        help="Configuration: embedded, laptop, local, cluster, or the path of a .yaml file like them.",
        autocompletion=complete_profile,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Changes one value of the configuration; may be repeated."),
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Local processes.", show_default="all cores")]
Runner = Annotated[
    str, typer.Option("--runner", help="Beam runner. DirectRunner means local processes, without a network.")
]
