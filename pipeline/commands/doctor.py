"""What the command `doctor` does; the command line gives it its name and examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer
from rich.console import Console

CANNOT_RUN = 1


def doctor(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", help="Check the backends of this profile alone; exit with 1 if one that it needs cannot load."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Changes one value of the profile; may be repeated."),
    ] = None,
    servers: Annotated[
        bool,
        typer.Option(
            "--servers", help="Ask the profile's model servers what they serve; exit with 1 if one does not answer."
        ),
    ] = False,
) -> None:
    """Show which backends can load here, what each missing one needs, and the licences. Downloads nothing."""
    from soundseam.pipeline.commands.display import doctor_view
    from soundseam.pipeline.config import SetupError, load_config
    from soundseam.pipeline.doctor import examine_kinds, examine_machine, examine_profile
    from soundseam.pipeline.serving.reachable import ask_servers, servers_of

    if (overrides or servers) and not profile:
        raise SetupError("--set and --servers are about a profile: name it with --profile")
    config = load_config(profile, overrides or ()) if profile else None
    reports = list(examine_kinds()) if config is None else examine_profile(config)
    asked = [] if config is None else ask_servers(config) if servers else servers_of(config)
    Console().print(doctor_view(reports, examine_machine(), asked))
    missing = [report.backend for report in reports if not report.loads and not report.optional]
    missing += [server.url for server in asked if server.problem]
    if profile and missing:
        typer.echo(f"soundseam: profile {profile} cannot run here without {', '.join(missing)}", err=True)
        raise typer.Exit(CANNOT_RUN)


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    doctor: (
        "soundseam doctor",
        "soundseam doctor --profile embedded --set detectors.0.name=ears",
        "soundseam doctor --profile embedded --servers",
    ),
}
"""With examples for its help, which tests run."""
