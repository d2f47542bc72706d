"""The commands before there is a corpus: run, plan and doctor."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from soundseam.pipeline.commands.options import Overrides, Profile, Runner, complete_profile
from soundseam.pipeline.commands.terminal import Terminal

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from rich.console import RenderableType

    from soundseam.pipeline.config import RunConfig
    from soundseam.pipeline.inspection import RunSummary
    from soundseam.pipeline.launch import Prepared, RunRequest
    from soundseam.pipeline.serving.reachable import ServerReport

CANNOT_RUN = 1
TOO_MANY_REJECTED = 3
MAX_NAMED = 5
"""A plan lists at most this many unusable inputs, each with its reason."""

Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Recordings: files, folders, globs, or manifests (.jsonl, .csv, .parquet with a uri column). "
        "Options of Beam can be given here too, as in --flink_master=host:8081.",
        show_default=False,
    ),
]
Output = Annotated[
    str, typer.Option("--output", "-o", help="Folder of the corpus, local or remote; created or continued.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Local processes.", show_default="all cores; where models run on GPUs, 2 each"
    ),
]


def run(
    context: typer.Context,
    inputs: Inputs,
    output: Output,
    *,
    profile: Profile = "embedded",
    overrides: Overrides = None,
    workers: Workers = None,
    runner: Runner = "DirectRunner",
    max_reject_rate: Annotated[
        float | None,
        typer.Option(
            "--max-reject-rate",
            min=0.0,
            max=1.0,
            help="Exit with 3 if more than this share of files gave no segment, or of segments no caption.",
        ),
    ] = None,
    stall_timeout: Annotated[
        float,
        typer.Option(
            "--stall-timeout", min=1.0, help="Seconds without progress after which a worker counts as hanging."
        ),
    ] = 300.0,
    retries: Annotated[
        int,
        typer.Option(
            "--retries",
            min=0,
            help="How often later runs retry what was lost to a temporary fault: a file that was unavailable or "
            "replaced, a worker that was killed or hung.",
        ),
    ] = 3,
    terminal: Terminal,
) -> None:
    """Create or continue a corpus: list, decode, detect, cut, annotate, caption, commit.

    Shows the plan, then progress, then a summary. Does only what is not done yet: the same command resumes a run that
    was killed. Options of a Beam pipeline are passed through.

    Exit codes: 0 done, 1 failed, 2 wrong set-up, 3 too many or all rejected, 130 interrupted, 143 terminated.
    """
    from soundseam.pipeline.launch import Launch, RunRequest, output_in_use
    from soundseam.pipeline.storage.files import use_options
    from soundseam.pipeline.storage.ownership import check_output

    recordings, options = split_beam_options(inputs, runner, own_options(context))
    use_options(options)
    check_output(output)
    request = RunRequest(
        inputs=tuple(recordings),
        output=output,
        profile=profile,
        overrides=tuple(overrides or ()),
        workers=workers,
        runner=runner,
        stall_timeout_s=stall_timeout,
        max_retries=retries,
    )
    with output_in_use(output):
        prepared = _prepare(request)
        terminal.show(*_plan_parts(prepared, output))
        with terminal.progress() as display:
            summary = Launch(request, prepared, options, display).run()
    terminal.result(summary, *_summary_parts(summary, output))
    _check_rejects(summary, output, max_reject_rate)


def _summary_parts(summary: RunSummary, output: str) -> list[RenderableType]:
    from soundseam.pipeline.commands.display import closing_line, inspection_view, lost_lines, usage_line
    from soundseam.pipeline.storage.redact import redact_uri

    place = redact_uri(output)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in summary.requests)
    return [
        inspection_view(summary.corpus),
        *map(usage_line, summary.asked),
        *([f"Requests to the object store: {counts}"] if counts else ()),
        *lost_lines(summary),
        closing_line(summary),
        f"Tables are in {place}, a summary in {place}/_run/summary.json",
    ]


def _check_rejects(summary: RunSummary, output: str, max_reject_rate: float | None) -> None:
    """Ends the command with TOO_MANY_REJECTED if all or too much was rejected."""
    from soundseam.pipeline.storage.redact import redact_uri

    place = redact_uri(output)
    if not summary.inputs_with_segments:
        typer.echo(
            f"soundseam: none of these inputs gave a segment: see the reasons above and in {place}/rejected", err=True
        )
        raise typer.Exit(TOO_MANY_REJECTED)
    if max_reject_rate is not None and summary.reject_rate > max_reject_rate:
        typer.echo(
            f"soundseam: the reject rate is {summary.reject_rate:.4f}, over --max-reject-rate {max_reject_rate}: "
            f"see the table above and {place}/rejected",
            err=True,
        )
        raise typer.Exit(TOO_MANY_REJECTED)


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
    from soundseam.pipeline.launch import RunRequest
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
    from soundseam.pipeline.commands.display import report_of

    prepared = _prepare(request)
    terminal.result(report_of(prepared), *_plan_parts(prepared, output))
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


def _prepare(request: RunRequest) -> Prepared:
    from soundseam.pipeline.launch import prepare_run

    return prepare_run(request)


def _plan_parts(prepared: Prepared, output: str) -> list[RenderableType]:
    from soundseam.pipeline.commands.display import notice_lines, plan_view
    from soundseam.pipeline.storage.redact import redact_uri
    from soundseam.pipeline.work import LEFT_OUT

    parts: list[RenderableType] = [*prepared.unavailable]
    if prepared.plan.is_empty and prepared.listing.sources:
        parts.append(f"Nothing to do: {redact_uri(output)} is up to date with these inputs and this configuration")
    elif prepared.listing.sources:
        parts.append(plan_view(prepared))
    parts += notice_lines(prepared)
    rejected = prepared.listing.rejected
    left_out = [row.detail for row in rejected if row.reason == LEFT_OUT]
    parts += [f"{detail}; to include files that are audio, name them with a glob" for detail in left_out]
    unusable = [row for row in rejected if row.reason != LEFT_OUT]
    if unusable:
        parts.append(f"{len(unusable)} of the inputs cannot be used; they go to the table rejected")
    parts += [f"  {row.source_uri}: {row.reason} ({row.detail})" for row in unusable[:MAX_NAMED]]
    if len(unusable) > MAX_NAMED:
        parts.append(f"  and {len(unusable) - MAX_NAMED} more")
    return parts


def split_beam_options(
    tokens: Sequence[str], runner: str, own_options: Sequence[str]
) -> tuple[list[str], PipelineOptions | None]:
    """The recordings among `tokens`, and the rest parsed as Beam's options. Raises SetupError for an unknown option.

    None for a local run without such options: Beam, which takes seconds to load, is not loaded in this process then.
    `own_options` are those of the command, for suggesting a similar one.
    """
    from soundseam.pipeline.launch import LOCAL_RUNNERS

    if runner in LOCAL_RUNNERS and tokens and not any(token.startswith("-") for token in tokens):
        return list(tokens), None
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, _BeamArgumentParser

    from soundseam.pipeline.config import SetupError

    parser = _BeamArgumentParser(allow_abbrev=False, add_help=False, prog="soundseam")
    for options_class in PipelineOptions.__subclasses__():
        options_class._add_argparse_args(parser)
    _, rest = parser.parse_known_args(list(tokens))
    for token in rest:
        if token.startswith("-"):
            name = token.partition("=")[0]
            if name == "--dry-run":
                raise SetupError("no option --dry-run: `soundseam plan` shows what a run would do")
            beams = [spelling for action in parser._actions for spelling in action.option_strings]
            close = next(
                filter(None, (difflib.get_close_matches(name, of, 1, 0.75) for of in (own_options, beams))), []
            )
            raise SetupError(f"no option {name}{f'; did you mean {close[0]}?' if close else ''} (see --help)")
    if not rest:
        raise SetupError("no inputs: give files, a folder, a glob or a manifest")
    left = iter(rest)
    wanted = next(left, None)
    flags = []
    for token in tokens:
        if token == wanted:
            wanted = next(left, None)
        else:
            flags.append(token)
    options = PipelineOptions(flags)
    options.view_as(StandardOptions).runner = _known_runner(runner)
    return rest, options


def _known_runner(name: str) -> str:
    from apache_beam.runners.runner import _RUNNER_MAP

    from soundseam.pipeline.config import SetupError

    if "dask" in name.lower():
        # Seen with Beam 2.77: tagged outputs and finished bundles are lost, and the job still reports success.
        raise SetupError("DaskRunner silently loses rows: choose another --runner, or see docs/clusters.md")
    names = {path.rpartition(".")[2]: path for path in _RUNNER_MAP.values()}
    if name not in names and "." not in name:
        close = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1)
        suggestion = next((known for known in names if close and known.lower() == close[0]), None)
        raise SetupError(f"no runner {name}; {f'did you mean {suggestion}?' if suggestion else ', '.join(names)}")
    return name


def own_options(context: typer.Context) -> list[str]:
    """The options of the command that is running."""
    return [name for parameter in context.command.params for name in parameter.opts]


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    run: (
        "soundseam run samples/recordings --output out",
        "soundseam run 'samples/recordings/*.flac' --output out --workers 2 --set segmentation.cut.max_ms=20000",
        "soundseam run samples/recordings --output out --runner DirectRunner --max-reject-rate 0.5",
    ),
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
