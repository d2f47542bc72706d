"""What every command shows: its result on standard output, its progress on standard error, and the name that was
probably meant."""

from __future__ import annotations

import difflib
import inspect
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text
from typer.core import TyperCommand

if TYPE_CHECKING:
    from soundseam.pipeline.commands.display import ProgressDisplay

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON; the plan goes to standard error.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show only the result and errors: no plan, no progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also show log messages, such as the time of a stage.")]

_NO_CHOICE = re.compile(r"'([^']*)' is not one of (.*)\.")
OUTPUT_OPTIONS = {"as_json": Json, "quiet": Quiet, "verbose": Verbose}
"""The options of every command that prints a result."""


class Terminal:
    """Standard output and standard error of one command, as --json and --quiet want them."""

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self._as_json, self._quiet = as_json, quiet
        self._out, self._errors = Console(), Console(stderr=True)

    def show(self, *parts: RenderableType) -> None:
        """Shows what comes before the result, such as a plan. Strings are text, without markup."""
        if not self._quiet:
            _print(self._errors if self._as_json else self._out, parts)

    def warn(self, *parts: RenderableType) -> None:
        """Shows something on standard error, also with --quiet."""
        _print(self._errors, parts)

    def result(self, data: object, *parts: RenderableType) -> None:
        """The result: `data` as JSON with --json, else `parts` for people."""
        if not self._as_json:
            _print(self._out, parts)
            return
        from pydantic import TypeAdapter

        from soundseam.pipeline.storage.redact import redact_text

        typer.echo(redact_text(TypeAdapter(object).dump_json(data, indent=1).decode()))

    @contextmanager
    def status(self, doing: str) -> Iterator[Callable[[str], None]]:
        """A line that is replaced while something lasts; yields the function that replaces it."""
        with Console(stderr=True, quiet=self._quiet).status(doing) as status:
            yield lambda text: status.update(Text(text))

    def progress(self) -> ProgressDisplay:
        """The progress of a run."""
        from soundseam.pipeline.commands.display import ProgressDisplay

        return ProgressDisplay(Console(stderr=True, quiet=self._quiet))


def _print(console: Console, parts: tuple[RenderableType, ...]) -> None:
    for part in parts:
        # A path in a line of text stays in one piece, to be copied and searched for.
        if isinstance(part, str | Text):
            console.print(Text(part) if isinstance(part, str) else part, soft_wrap=True)
        else:
            console.print(part)


def with_terminal(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the options of OUTPUT_OPTIONS in place of its parameter `terminal`; unchanged without one."""
    signature = inspect.signature(command, eval_str=True)
    if "terminal" not in signature.parameters:
        return command

    @wraps(command)
    def run_command(
        *arguments: object, as_json: bool = False, quiet: bool = False, verbose: bool = False, **others: object
    ) -> None:
        logging.getLogger("soundseam").setLevel(logging.INFO if verbose else logging.NOTSET)
        command(*arguments, **others, terminal=Terminal(as_json, quiet))

    own = [parameter for name, parameter in signature.parameters.items() if name != "terminal"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in OUTPUT_OPTIONS.items()
    ]
    run_command.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return run_command


class SuggestingCommand(TyperCommand):
    """Suggests the nearest option or choice if one is misspelt.

    typer does so for options, but not if another option is missing because of it, nor for choices.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            message = _nearest_choice(str(error.message)) or self._nearest_option(given)
            if message is None:
                raise
            raise typer.BadParameter(message, ctx=ctx) from error

    def _nearest_option(self, given: list[str]) -> str | None:
        names = [name for parameter in self.params for name in parameter.opts if name.startswith("--")]
        for name in (token.partition("=")[0] for token in given):
            if name.startswith("--") and name not in names:
                close = difflib.get_close_matches(name, names, 1, 0.7)
                if close:
                    return f"no option {name}; did you mean {close[0]}?"
        return None


def _nearest_choice(message: str) -> str | None:
    found = _NO_CHOICE.search(message)
    if found is None:
        return None
    choices = re.findall(r"'([^']*)'", found[2])
    close = difflib.get_close_matches(found[1], choices, 1, 0.6)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"there is no {found[1]}{hint} (one of {', '.join(choices)})"
