"""The command line: `soundseam`, or `python beam_runner.py`."""

from __future__ import annotations

import difflib
import functools
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from inspect import signature
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from soundseam.pipeline.commands import corpus, doctor, evaluation, serving, training

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from soundseam.pipeline.launch import Prepared, RunRequest

FAILED, WRONG_SETUP, TOO_MANY_REJECTED, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143


def examples(*lines: str) -> str:
    """An epilog for a command's help; tests run each line."""
    return "Examples:\n\n" + "\n".join(f"- `{line}`" for line in lines)


app = typer.Typer(
    name="soundseam",
    help="Turns raw audio into training data for audio-language models.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog=examples("soundseam run samples/recordings --output out", "soundseam inspect out"),
)

Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Recordings: files, folders, globs, or manifests (.jsonl, .csv, .parquet with a uri column). "
        "Options that Beam knows may stand here too, as in --flink_master=host:8081.",
        show_default=False,
    ),
]
Output = Annotated[
    str, typer.Option("--output", "-o", help="Folder of the corpus, local or remote; made or continued.")
]
Profile = Annotated[
    str,
    typer.Option("--profile", help="Configuration: embedded, local, cluster, or the path of a .yaml file like them."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Changes one value of the configuration; may be repeated."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Local processes.", show_default="all cores; where models run on GPUs, 2 each"
    ),
]
Runner = Annotated[
    str, typer.Option("--runner", help="Beam runner. DirectRunner means local processes, without network.")
]
PASS_OPTIONS_ON = {"ignore_unknown_options": True}


class Terminated(BaseException):
    """SIGTERM, raised where the main thread is, so that workers are stopped on the way out."""


def main() -> None:
    """The `soundseam` command."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Beam warns of a package that only Google's services need, wherever it is missing.
    logging.getLogger().addFilter(lambda record: "apitools" not in record.getMessage())
    app()


@app.callback(invoke_without_command=True)
def describe(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if show_version:
        print(f"soundseam {version('soundseam')}")
        raise typer.Exit


@app.command(
    context_settings=PASS_OPTIONS_ON,
    epilog=examples(
        "soundseam run samples/recordings --output out",
        "soundseam run 'samples/recordings/*.flac' --output out --workers 2 --set segmentation.cut.max_ms=20000",
        "soundseam run samples/recordings --output out --runner DirectRunner --max-reject-rate 0.5",
    ),
)
def run(
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
            help="Exit with 3 if a larger share of files gave no segment, or of segments no caption.",
        ),
    ] = None,
    stall_timeout: Annotated[
        float,
        typer.Option("--stall-timeout", min=1.0, help="Seconds without a step after which a worker counts as hanging."),
    ] = 300.0,
) -> None:
    """Make or continue a corpus: list, decode, detect, cut, annotate, caption, commit.

    Shows the plan, then progress, then a summary. Does only what is not done yet: the same command resumes a run that
    was killed. Every option of a Beam pipeline passes through.

    Exit codes: 0 done, 1 failed, 2 wrong set-up, 3 too many rejected, 130 or 143 stopped from outside.
    """
    with _exit_codes():
        from soundseam.pipeline.commands.display import ProgressDisplay, inspection_view, usage_line
        from soundseam.pipeline.launch import Launch, RunRequest, output_in_use
        from soundseam.pipeline.storage.files import use_options
        from soundseam.pipeline.storage.ownership import check_output
        from soundseam.pipeline.storage.redact import redact_uri

        recordings, options = _split_beam_options(inputs, runner)
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
        )
        with output_in_use(output):
            prepared = _show_plan(request)
            with ProgressDisplay(Console(stderr=True)) as display:
                summary = Launch(request, prepared, options, display).run()
        console = Console()
        console.print(inspection_view(summary.corpus))
        if not prepared.plan.is_empty:
            speed = summary.audio_ms / 1000 / summary.seconds if summary.seconds else 0.0
            console.print(f"{summary.recordings_done} recordings in {summary.seconds:.1f} s, {speed:.1f} x real time")
        for asked in summary.asked:
            console.print(Text(usage_line(asked)))
        place = redact_uri(output)
        console.print(Text(f"Tables are in {place}, a summary in {place}/_run/summary.json"))
        if max_reject_rate is not None and summary.reject_rate > max_reject_rate:
            _leave(
                TOO_MANY_REJECTED,
                f"the reject rate is {summary.reject_rate:.4f}, over --max-reject-rate {max_reject_rate}: "
                f"see the table above, and {place}/rejected",
            )


@app.command(
    context_settings=PASS_OPTIONS_ON,
    epilog=examples(
        "soundseam plan samples/recordings --output out",
        "soundseam plan samples/recordings --output out --set segmentation.cut.max_ms=20000",
    ),
)
def plan(
    inputs: Inputs,
    output: Output,
    profile: Profile = "embedded",
    overrides: Overrides = None,
    workers: Workers = None,
    runner: Runner = "DirectRunner",
) -> None:
    """Show what `run` would do, stage by stage, and about how long it would take. Does no work."""
    with _exit_codes():
        from soundseam.pipeline.launch import RunRequest
        from soundseam.pipeline.storage.files import use_options

        recordings, options = _split_beam_options(inputs, runner)
        use_options(options)
        request = RunRequest(
            inputs=tuple(recordings),
            output=output,
            profile=profile,
            overrides=tuple(overrides or ()),
            workers=workers,
        )
        _show_plan(request)


@app.command(epilog=examples("soundseam inspect out", "soundseam inspect out --captions 3 --seed 1"))
def inspect(
    output: Annotated[
        str, typer.Argument(metavar="OUT", show_default=False, help="Folder of the corpus; it may be incomplete.")
    ],
    captions: Annotated[int, typer.Option("--captions", min=0, help="How many captions to show.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, other captions.")] = 0,
) -> None:
    """Show what a corpus holds: hours, segments, branches, classes, lengths, rejects, some captions."""
    with _exit_codes():
        from soundseam.pipeline.commands.display import inspection_view
        from soundseam.pipeline.inspection import inspect_corpus, sample_captions
        from soundseam.pipeline.storage.ownership import require_corpus

        require_corpus(output)
        Console().print(inspection_view(inspect_corpus(output), sample_captions(output, captions, seed)))


def _add_commands(commands: Mapping[Callable[..., None], Sequence[str]]) -> None:
    """Adds commands of a module of their own, each with examples for its help, and the exit codes of all.

    One that takes typer's context passes on the options that it does not know.
    """
    for command, lines in commands.items():
        passes_on = (
            {**PASS_OPTIONS_ON, "allow_extra_args": True} if "context" in signature(command).parameters else None
        )
        app.command(context_settings=passes_on, epilog=examples(*lines))(_with_exit_codes(command))


def _with_exit_codes(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run_command(*arguments: object, **options: object) -> None:
        with _exit_codes():
            command(*arguments, **options)

    return run_command


for module in (doctor, training, evaluation, corpus, serving):
    _add_commands(module.COMMANDS)


def _show_plan(request: RunRequest) -> Prepared:
    from soundseam.pipeline.commands.display import plan_view
    from soundseam.pipeline.launch import prepare_run
    from soundseam.pipeline.storage.redact import redact_uri

    prepared = prepare_run(request)
    console = Console()
    for notice in prepared.unavailable:
        console.print(Text(notice))
    if prepared.plan.is_empty:
        console.print(
            Text(f"Nothing to do: {redact_uri(request.output)} is up to date with these inputs and this configuration")
        )
    else:
        console.print(plan_view(prepared.plan, prepared.audio_ms, prepared.stage_seconds(), prepared.workers))
    rejected = len(prepared.listing.rejected)
    if rejected:
        console.print(f"{rejected} of the inputs cannot be used; they go to the table of rejects")
    return prepared


def _split_beam_options(tokens: Sequence[str], runner: str) -> tuple[list[str], PipelineOptions]:
    """What of `tokens` names recordings, and the rest as Beam reads it. An option that nobody knows is an error."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, _BeamArgumentParser

    from soundseam.pipeline.config import SetupError

    parser = _BeamArgumentParser(allow_abbrev=False, add_help=False, prog="soundseam")
    for options_class in PipelineOptions.__subclasses__():
        options_class._add_argparse_args(parser)
    _, rest = parser.parse_known_args(list(tokens))
    known = [*parser._option_string_actions, *_own_options()]
    for token in rest:
        if token.startswith("-"):
            name = token.partition("=")[0]
            close = difflib.get_close_matches(name, known, n=1)
            raise SetupError(f"no option {name}{f'; did you mean {close[0]}?' if close else ''} (see --help)")
    if not rest:
        raise SetupError("nothing to read: name files, a folder, a glob or a manifest")
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


def _own_options() -> list[str]:
    command = typer.main.get_command(app)
    commands = getattr(command, "commands", {})
    return [name for each in commands.values() for parameter in each.params for name in parameter.opts]


def _known_runner(name: str) -> str:
    from apache_beam.runners.runner import _RUNNER_MAP

    from soundseam.pipeline.config import SetupError

    if "dask" in name.lower():
        # Seen with Beam 2.77: tagged outputs and finished bundles are lost, and the job reports success.
        raise SetupError("DaskRunner loses rows without saying so: choose another --runner, or see docs/clusters.md")
    names = {path.rpartition(".")[2]: path for path in _RUNNER_MAP.values()}
    if name not in names and "." not in name:
        close = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1)
        suggestion = next((known for known in names if close and known.lower() == close[0]), None)
        raise SetupError(f"no runner {name}; {f'did you mean {suggestion}?' if suggestion else ', '.join(names)}")
    return name


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turns what may go wrong into one line on standard error and the exit code that the help names."""
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.local.supervisor import WorkerFailedError, WorkerStartError
    from soundseam.pipeline.storage.redact import redact_text

    def terminate(*_: object) -> NoReturn:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, terminate)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
    except SetupError as error:
        _leave(WRONG_SETUP, str(error))
    except (WorkerFailedError, WorkerStartError) as error:
        print(redact_text(error.trace), file=sys.stderr)
        _leave(FAILED, f"the run has ended: {error}. What was committed stays; the same command resumes")
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "interrupted; what was committed stays, and the same command resumes")
    except Terminated:
        _leave(TERMINATED, "terminated; what was committed stays, and the same command resumes")


def _leave(code: int, message: str) -> NoReturn:
    from soundseam.pipeline.storage.redact import redact_text

    print(f"soundseam: {redact_text(message)}", file=sys.stderr)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
