"""The command line: `soundseam`, or `python beam_runner.py`."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from inspect import signature
from typing import Annotated, NoReturn

import typer

from soundseam.pipeline.commands import corpus, evaluation, long, planning, run, serving, training
from soundseam.pipeline.commands.terminal import SuggestingCommand, with_terminal
from soundseam.pipeline.local.pool import name_cache_of_compiled_code

FAILED, WRONG_SETUP, DAMAGED, INTERRUPTED, TERMINATED = 1, 2, 4, 130, 143
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


def examples(*lines: str) -> str:
    """An epilog for a command's help; tests run each line."""
    return "Examples:\n\n" + "\n".join(f"- `{line}`" for line in lines)


app = typer.Typer(
    name="soundseam",
    help="Turns raw audio into training data for audio-language models.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings=HELP_OPTIONS,
    epilog=examples("soundseam run samples/recordings --output out", "soundseam inspect out"),
)

PASS_OPTIONS_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


class Terminated(BaseException):
    """SIGTERM, raised in the main thread, so that workers are stopped on the way out."""


def main() -> None:
    """The `soundseam` command."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Beam warns about a package that only Google's services need if it is missing.
    logging.getLogger().addFilter(lambda record: "apitools" not in record.getMessage())
    name_cache_of_compiled_code()
    app()


@app.callback(invoke_without_command=True)
def describe(
    show_version: Annotated[bool, typer.Option("--version", "-V", help="Show the version and exit.")] = False,
) -> None:
    if show_version:
        print(f"soundseam {version('soundseam')}")
        raise typer.Exit


def _add_commands(to: typer.Typer, commands: Mapping[Callable[..., None], Sequence[str]]) -> None:
    """Adds the commands of a module, each with the examples for its help, and the exit codes that all share.

    A command that takes typer's context passes unknown options on.
    """
    for command, lines in commands.items():
        passes_on = PASS_OPTIONS_ON if "context" in signature(command).parameters else {}
        epilog = examples(*lines) if lines else None
        to.command(cls=SuggestingCommand, context_settings=HELP_OPTIONS | passes_on, epilog=epilog)(
            _with_exit_codes(with_terminal(command))
        )


def _with_exit_codes(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run_command(*arguments: object, **options: object) -> None:
        with _bugs_without_secrets(), _exit_codes():
            command(*arguments, **options)

    return run_command


for module in (run, planning, corpus, long, training, evaluation):
    _add_commands(app, module.COMMANDS)
serve = typer.Typer(
    name="serve",
    cls=serving.ServeGroup,
    help=serving.HELP,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS | PASS_OPTIONS_ON,
    epilog=examples(*(line for lines in serving.COMMANDS.values() for line in lines)),
)
_add_commands(serve, serving.COMMANDS)
app.add_typer(serve)


_PARSER_ERRORS: tuple[type[Exception], ...] = (
    typer.Exit,
    typer.Abort,
    *(kind for kind in typer.BadParameter.__mro__ if issubclass(kind, Exception) and kind is not Exception),
)
"""The base class of the command line parser's errors; its module depends on the version of typer."""


@contextmanager
def _bugs_without_secrets() -> Iterator[None]:
    """Shows an error that nobody foresaw in full, except for the passwords and keys in it."""
    from soundseam.pipeline.storage.redact import redact_text

    try:
        yield
    except _PARSER_ERRORS:
        raise
    except Exception as error:  # noqa: BLE001 - a bug: its traceback is printed
        print(redact_text(traceback.format_exc()), file=sys.stderr)
        _leave(FAILED, f"a bug: {type(error).__name__}: {error}. Committed work stays; please report it")


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turns known errors into one line on standard error and the exit code that the help names."""
    from soundseam.pipeline.config import DamagedError, SetupError, os_problem
    from soundseam.pipeline.local.supervisor import WorkerFailedError
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
    except DamagedError as error:
        _leave(DAMAGED, str(error))
    except BrokenPipeError:
        # The reader of our output has closed it, as `head` does: that is no error, and no message could be read.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    except OSError as error:
        _leave(WRONG_SETUP, os_problem(error))
    except WorkerFailedError as error:
        if error.trace:
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
