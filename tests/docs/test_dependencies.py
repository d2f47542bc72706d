"""Every requirement is accounted for, with the licence that it declares; none of the default path is GPL or AGPL."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.docs.pages import ROOT

FAMILIES = ("AGPL", "LGPL", "GPL", "MPL", "Apache", "BSD", "MIT", "ISC", "PSF")
"""Licences by what they ask; a name that holds another's comes first."""
NAMES = {
    "Mozilla Public License": "MPL",
    "Lesser General Public": "LGPL",
    "General Public": "GPL",
    "Python Software Foundation": "PSF",
}
COPYLEFT = {"GPL", "AGPL"}


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@cache
def requirements() -> dict[str, set[str]]:
    """extra → the packages it requires; the base install is the extra ''."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {name_of(line) for line in lines} - {"soundseam"} for extra, lines in groups.items()}


@cache
def documented() -> dict[str, tuple[set[str], str]]:
    """package → (the extras its line names, its licence)."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    base, _, extras = text.partition("## Extras")
    lines = {}
    for part, is_base in ((base, True), (extras, False)):
        for row in re.findall(r"^\| ([a-zA-Z0-9_.-]+) \| (.*) \|$", part, re.MULTILINE):
            if row[0] in {"package", "---"}:
                continue
            cells = row[1].split(" | ")
            named = {""} if is_base else {extra.strip() for extra in cells[0].split(",")}
            lines[name_of(row[0])] = (named, cells[0] if is_base else cells[1])
    return lines


def families_in(text: str) -> set[str]:
    """The families of licences that a text names."""
    for name, family in NAMES.items():
        text = text.replace(name, family)
    found = set()
    for family in FAMILIES:
        if re.search(rf"(?<![A-Za-z]){family}", text):
            found.add(family)
            text = text.replace(family, "")
    return found


def declared(package: str) -> str:
    """What the installed package says of its licence, or the beginning of its licence's text; skips without it."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed here")
    fields = found.metadata
    classifiers = [line.split(" :: ", 1)[1] for line in fields.get_all("Classifier", []) if line.startswith("License")]
    said = " ".join([fields.get("License-Expression") or (fields.get("License") or "")[:400], *classifiers]).strip()
    texts = [file.locate() for file in found.files or [] if file.name.upper().startswith("LICEN")]
    return said or " ".join(Path(str(text)).read_text(encoding="utf-8")[:200] for text in texts)


def test_every_requirement_has_its_line_and_no_line_is_left_over() -> None:
    wanted: dict[str, set[str]] = {}
    for extra, packages in requirements().items():
        for package in packages:
            wanted.setdefault(package, set()).add(extra)
    assert {package: extras for package, (extras, _) in documented().items()} == wanted


@pytest.mark.parametrize("package", sorted(set().union(*requirements().values())))
def test_the_licence_in_the_line_is_the_one_that_the_package_declares(package: str) -> None:
    said = families_in(documented()[package][1])
    assert said
    assert said <= families_in(declared(package)), declared(package)


@cache
def default_path() -> frozenset[str]:
    """What the base install brings, requirements of requirements included."""
    found: set[str] = set()
    left = list(requirements()[""])
    while left:
        package = left.pop()
        if package in found:
            continue
        try:
            lines = requires(package) or []
        except PackageNotFoundError:
            continue  # not wanted by this Python, or on this system
        found.add(package)
        needed = (Requirement(line) for line in lines)
        left.extend(name_of(one.name) for one in needed if one.marker is None or one.marker.evaluate({"extra": ""}))
    return frozenset(found)


def test_nothing_in_the_default_path_declares_gpl_or_agpl() -> None:
    assert len(default_path()) > len(requirements()[""])
    assert not {package for package in default_path() if families_in(declared(package)) & COPYLEFT}


def test_the_default_path_leads_to_no_torch() -> None:
    assert not default_path() & {"torch", "torchaudio", "transformers", "pyannote-audio", "vllm", "faster-whisper"}


def test_gpl_libraries_in_the_wheel_of_pyav_are_told() -> None:
    spec = find_spec("av")
    assert spec is not None
    assert spec.origin is not None
    carried = {
        name
        for path in (Path(spec.origin).parents[1] / "av.libs").glob("*")
        for name in ("libx264", "libx265", "libxvid", "libvidstab", "librubberband")
        if path.name.startswith(name)
    }
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert not [name for name in carried if name not in page]
