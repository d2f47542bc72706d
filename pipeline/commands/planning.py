"""The commands that change nothing: what a run would do, and what can run here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from soundseam.pipeline.commands.options import Overrides, Profile, Runner, complete_profile
from soundseam.pipeline.commands.run import (
    TOO_MANY_REJECTED,
    Inputs,
    Output,
    Workers,
    own_options,
    plan_parts,
    split_beam_options,
)
from soundseam.pipeline.commands.terminal import Terminal

if TYPE_CHECKING:
    from soundseam.pipeline.config import RunConfig
    from soundseam.pipeline.serving.reachable import ServerReport

CANNOT_RUN = 1


def plan(
    context: typer.Context,
    inputs: Inputs,
    output: Output,
    *,
    profile: Profile = "embedded",
    overrides: Overrides = None,
    workers: Workers = None,
    runner: Runner = "DirectRunner",
    terminal: Terminal,
) -> None:
    """Show what `run` would do, stage by stage, and about how long it would take. Changes nothing.

    Exits with 3 if none of the inputs can be used.
    """
    from soundseam.pipeline.commands.display import report_of
    from soundseam.pipeline.launch import RunRequest, prepare_run
    from soundseam.pipeline.storage.files import use_options

    recordings, options = split_beam_options(inputs, runner, own_options(context))
    use_options(options)
    request = RunRequest(
        inputs=tuple(recordings),
        output=output,
        profile=profile,
        overrides=tuple(overrides or ()),
        workers=workers,
    )
    prepared = prepare_run(request)
    terminal.result(report_of(prepared), *plan_parts(prepared, output))
    if not prepared.listing.sources:
        typer.echo("soundseam: none of these inputs can be used: see the reasons above", err=True)
        raise typer.Exit(TOO_MANY_REJECTED)


def doctor(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "--config",
            help="Check only the backends of this configuration; exit with 1 if a required one cannot load.",
            autocompletion=complete_profile,
        ),
    ] = None,
    overrides: Overrides = None,
    servers: Annotated[
        bool,
        typer.Option(
            "--servers",
            help="Ask the profile's model servers for their models and one question of each kind; exit with 1 if one "
            "does not answer.",
        ),
    ] = False,
    *,
    terminal: Terminal,
) -> None:
    """Show which backends can load here, what the others need, and the licences. Downloads nothing."""
    from soundseam.pipeline.commands.display import doctor_view
    from soundseam.pipeline.config import SetupError, load_config
    from soundseam.pipeline.doctor import examine_kinds, examine_machine, examine_profile

    if (overrides or servers) and not profile:
        raise SetupError("--set and --servers need a profile: give --profile")
    config = load_config(profile, overrides or ()) if profile else None
    reports = list(examine_kinds()) if config is None else examine_profile(config)
    asked = [] if config is None or profile is None else _servers(profile, overrides or (), config, servers)
    machine = examine_machine()
    terminal.result({"backends": reports, "servers": asked, "machine": machine}, doctor_view(reports, machine, asked))
    missing = [report.backend for report in reports if not report.loads and not report.optional]
    missing += [server.url for server in asked if server.problem]
    if profile and missing:
        typer.echo(f"soundseam: profile {profile} cannot run here without {', '.join(missing)}", err=True)
        raise typer.Exit(CANNOT_RUN)


def _servers(profile: str, overrides: Sequence[str], config: RunConfig, is_asked: bool) -> list[ServerReport]:
    from soundseam.pipeline.config import server_settings
    from soundseam.pipeline.serving.reachable import ask_servers, server_uses, servers_of

    uses = server_uses(config)
    return ask_servers(uses, server_settings(profile, overrides)) if is_asked else servers_of(uses)


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    plan: (
        "soundseam plan samples/recordings --output out",
        "soundseam plan samples/recordings --output out --set segmentation.cut.max_ms=20000",
    ),
    doctor: (
        "soundseam doctor",
        "soundseam doctor --profile embedded --set detectors.0.name=ears",
        "soundseam doctor --profile embedded --servers",
    ),
}
"""With examples for its help, which tests run."""
