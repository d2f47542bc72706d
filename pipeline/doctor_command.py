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
) -> None:
    """Show which backends can load here, what each missing one needs, and the licences. Downloads nothing."""
    from pipeline.config import load_config
    from pipeline.display import doctor_view
    from pipeline.doctor import examine_kinds, examine_machine, examine_profile
    from pipeline.errors import SetupError

    if overrides and not profile:
        raise SetupError("--set changes a profile: name it with --profile")
    reports = examine_profile(load_config(profile, overrides or ())) if profile else list(examine_kinds())
    Console().print(doctor_view(reports, examine_machine()))
    missing = [report.backend for report in reports if not report.loads and not report.optional]
    if profile and missing:
        typer.echo(f"soundseam: profile {profile} cannot run here without {', '.join(missing)}", err=True)
        raise typer.Exit(CANNOT_RUN)


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    doctor: ("soundseam doctor", "soundseam doctor --profile embedded --set detectors.0.name=ears"),
}
"""With examples for its help, which tests run."""
