"""Options as a tree: from YAML, with single values changed from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import SetupError

MAX_CONFIG_BYTES = 2**20


def tree_of(text: str, name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The mapping in YAML `text`, with `key.path=value` overrides applied.

    Values are read as YAML; a number in a path is a position in a list. Raises SetupError, one line with the remedy.
    """
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SetupError(f"{name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise SetupError(f"{name} must be a YAML mapping, as pipeline/profiles/embedded.yaml is")
    for override in overrides:
        _apply(tree, override)
    return tree


def read_text(path: str) -> str:
    """The text of a file of options. Raises SetupError where it cannot be read, or is too large to be one."""
    try:
        if Path(path).stat().st_size > MAX_CONFIG_BYTES:
            raise SetupError(f"{path} is over {MAX_CONFIG_BYTES} bytes: that is no configuration")
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"cannot read the configuration {path}: {error}") from error


def _apply(tree: dict[str, Any], override: str) -> None:
    path, sign, value = override.partition("=")
    if not sign:
        raise SetupError(f"--set {override}: write it as key.path=value, as in --set segmentation.cut.max_ms=20000")
    *parents, last = path.split(".")
    node: Any = tree
    try:
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = yaml.safe_load(value)
    except (IndexError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SetupError(f"--set {override}: there is no such place in the configuration") from error
