"""Commands that suggest the name that was probably meant."""

from __future__ import annotations

import difflib
import re
from typing import Any

import typer
from typer.core import TyperCommand

_NO_CHOICE = re.compile(r"'([^']*)' is not one of (.*)\.")


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
