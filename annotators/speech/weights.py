"""Weights that a user names: what their licence is, and how to say that they cannot be opened."""

from __future__ import annotations

import re
from pathlib import Path

from annotators.base import BackendUnavailableError

_KNOWN = {
    "facebook/mms-": "CC-BY-NC-4.0",
    "mahmoudashraf/mms-300m-1130-forced-aligner": "CC-BY-NC-4.0",
    "but-fit/diarizen": "CC-BY-NC-4.0",
}
"""Beginnings of repository names, in small letters, whose weights may not be used commercially."""
_STATED = re.compile(r"^license:\s*[\"']?([\w.-]+)", re.MULTILINE)
_NON_COMMERCIAL = re.compile(r"(^|-)nc(-|$)|non-?commercial", re.IGNORECASE)
UNKNOWN = "unknown"


def licence_of(weights: str, stated: str) -> str:
    """`stated` where it is given, else what the model card in a local folder says, else what is known of a name."""
    if stated:
        return stated
    card = Path(weights) / "README.md"
    if card.is_file() and (found := _STATED.search(card.read_text(encoding="utf-8", errors="replace"))):
        return found[1]
    return next((licence for start, licence in _KNOWN.items() if weights.lower().startswith(start)), UNKNOWN)


def refuse_non_commercial(backend: str, weights: str, licence: str, allowed: bool) -> None:
    """Raises BackendUnavailableError for weights that may not be used commercially, unless that is `allowed`."""
    if _NON_COMMERCIAL.search(licence) and not allowed:
        raise BackendUnavailableError(
            f"{backend} will not load {weights}, licensed {licence}: choose other weights, or set "
            "allow_non_commercial: true if your use is not commercial"
        )


def cannot_open(backend: str, weights: str, error: Exception) -> BackendUnavailableError:
    """The refusal, in one line, where `weights` are neither a usable folder nor to be had from the hub."""
    lines = str(error).strip().splitlines()
    return BackendUnavailableError(
        f"{backend} cannot open {weights} ({lines[0] if lines else type(error).__name__}): "
        "set weights to a folder with the model, or let this machine reach the model hub"
    )
