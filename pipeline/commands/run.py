"""The command that makes a corpus."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundseam.pipeline.commands.options import Overrides, Profile, Runner
from soundseam.pipeline.commands.terminal import Terminal
from soundseam.pipeline.local.pool import LOCAL_RUNNERS, import_ahead

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from rich.console import RenderableType

    from soundseam.pipeline.input.sources import Part
    from soundseam.pipeline.inspection import PartSummary, RunSummary
    from soundseam.pipeline.launch import Prepared, RunRequest

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
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="K/N",
            help="Do only part K of N, beside the other parts, here or on other machines that see the same inputs and "
            "OUT. When all are done, the same command without --part finishes and sums up.",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="ADDRESS",
            help="Do parts as tasks of a cluster that sees the same inputs and OUT: ray://HOST:10001, dask://HOST:8786 "
            "or spark://HOST:7077. --workers is then the number of processes of a part, 1 by default.",
        ),
    ] = None,
    engine_options: Annotated[
        list[str] | None,
        typer.Option(
            "--engine-option",
            metavar="NAME=VALUE",
            help="What each part needs: num_gpus=1 (Ray), GPU=1 (a resource of Dask's workers) or a property of "
            "Spark; may be repeated.",
        ),
    ] = None,
    terminal: Terminal,
) -> None:
    """Create or continue a corpus: list, decode, detect, cut, annotate, caption, commit.

    Shows the plan, then progress, then a summary. Does only what is not done yet: the same command resumes a run that
    was killed. Options of a Beam pipeline are passed through.

    Exit codes: 0 done, 1 failed, 2 wrong set-up, 3 too many or all rejected, 130 interrupted, 143 terminated.
    """
    if runner in LOCAL_RUNNERS and not engine:
        import_ahead()
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.engines.job import JobRun
    from soundseam.pipeline.inspection import RunSummary
    from soundseam.pipeline.launch import Launch, RunRequest, output_in_use, prepare_run
    from soundseam.pipeline.storage.files import use_options
    from soundseam.pipeline.storage.ownership import check_output

    own_part = _part_of(part, max_reject_rate)
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
        part=own_part,
    )
    if own_part and not request.is_local:
        raise SetupError("--part is done by local processes: leave out --runner, which divides the run itself")
    if engine:
        _do_parts(engine, engine_options or (), request, inputs, terminal)
        request = request.model_copy(update={"workers": None})
    with output_in_use(output, is_part=own_part is not None):
        summary: RunSummary | PartSummary
        if request.is_local:
            prepared = prepare_run(request)
            terminal.show(*plan_parts(prepared, output))
            with terminal.progress() as display:
                launch = Launch(request, prepared, options, display)
                summary = launch.run_part(own_part) if own_part else launch.run()
        else:
            with terminal.progress() as display:
                summary = JobRun(request, options, display).run()
    if isinstance(summary, RunSummary):
        terminal.result(summary, *_summary_parts(summary, output))
        _check_rejects(summary, output, max_reject_rate)
    else:
        terminal.result(summary, *_part_lines(summary))


def _do_parts(
    address: str, options: Sequence[str], request: RunRequest, tokens: Sequence[str], terminal: Terminal
) -> None:
    """Has an engine do all parts of a run."""
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.engines.launch import EngineRun
    from soundseam.pipeline.launch import output_in_use

    if request.part or not request.is_local:
        raise SetupError("--engine divides the run itself: leave out --part and --runner")
    pairs = dict(option.partition("=")[::2] for option in options)
    if not all(pairs.values()):
        raise SetupError("--engine-option takes NAME=VALUE")
    run = EngineRun(address, pairs, request, tokens, str(Path.cwd()))
    with output_in_use(request.output, is_part=True), terminal.progress() as display:
        run.do_parts(display.note)


def _part_of(text: str | None, max_reject_rate: float | None) -> Part | None:
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.input.sources import Part

    if text is not None and max_reject_rate is not None:
        raise SetupError("--max-reject-rate is for the command without --part, which sees all rejects")
    return None if text is None else Part.parse(text)


def _part_lines(summary: PartSummary) -> list[RenderableType]:
    from soundseam.pipeline.commands.display import closing_line, request_lines, usage_line

    return [
        *map(usage_line, summary.asked),
        *request_lines(summary),
        f"Part {summary.part}: {closing_line(summary)}",
        "When all parts are done, the same command without --part finishes and sums up",
    ]


def _summary_parts(summary: RunSummary, output: str) -> list[RenderableType]:
    from soundseam.pipeline.commands.display import (
        closing_line,
        inspection_view,
        lost_lines,
        request_lines,
        usage_line,
    )
    from soundseam.pipeline.storage.redact import redact_uri

    place = redact_uri(output)
    return [
        inspection_view(summary.corpus),
        *map(usage_line, summary.asked),
        *request_lines(summary),
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


def plan_parts(prepared: Prepared, output: str) -> list[RenderableType]:
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
        "soundseam run samples/recordings --output out --part 1/4",
    ),
}
"""With examples for its help, which tests run."""
