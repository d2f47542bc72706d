"""The whole configuration of a run, as one record: from a profile in YAML, with overrides."""

from __future__ import annotations

import difflib
import errno
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from soundseam.annotators.base import AnyBackend, BackendUnavailableError, Model
from soundseam.annotators.chat.endpoint import Endpoint, endpoints_in
from soundseam.annotators.detection import AnyDetection
from soundseam.annotators.general import AnyGeneral
from soundseam.annotators.music import AnyMusic
from soundseam.annotators.speech import AnySpeech
from soundseam.pipeline.audio.decode import DecodeConfig
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.cutting.segmentation import SegmentationConfig
from soundseam.schemas.event import Branch
from soundseam.schemas.record import Record

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class SetupError(Exception):
    """Wrong set-up. The message is one line with the remedy; the command line exits with 2."""


class DamagedError(Exception):
    """A corpus is damaged. The message is one line with the remedy; the command line exits with 4."""


def os_problem(error: OSError) -> str:
    """An error of the operating system in one line, with a remedy if one is known."""
    name = f"{error.filename}: " if error.filename else ""
    what = error.strerror or str(error).strip() or type(error).__name__
    if error.errno in _NO_SPACE or is_no_space(str(error)):
        return f"{name}{no_space()}"
    if isinstance(error, PermissionError):
        return f"{name}{what}. Change its permissions, or choose another folder"
    if "temporary directory" in what:
        return f"{what}: set TMPDIR to a writable folder"
    return f"{name}{what.splitlines()[0]}"


def is_no_space(text: str) -> bool:
    """Whether the text of an error, possibly wrapped by another library, says that a disk is full."""
    return any(words in text for words in ("No space left on device", "Disk quota exceeded"))


def no_space() -> str:
    folder = os.environ.get("TMPDIR") or tempfile.gettempdir()
    return (
        f"no space is left on a disk: free some on the disk of --output and in the temporary folder {folder}, "
        "or set TMPDIR to a larger one"
    )


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
        raise SetupError(f"{name} must be a YAML mapping, like pipeline/profiles/embedded.yaml")
    for override in overrides:
        _apply(tree, override)
    return tree


def read_text(path: str) -> str:
    """The text of a file of options. Raises SetupError if it cannot be read, or is too large to be one."""
    try:
        if Path(path).stat().st_size > MAX_CONFIG_BYTES:
            raise SetupError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes: that is not a configuration")
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"cannot read the configuration {path}: {error}") from error


def with_servers(tree: dict[str, Any]) -> dict[str, Any]:
    """`tree` with each `server: NAME` replaced by the entry NAME of its section `servers:`, and without that section.

    So a server that many backends use is written once, and keys are those of the written-out form. Raises SetupError
    for a name that is not in the section.
    """
    servers = tree.get("servers") or {}
    if not isinstance(servers, dict):
        raise SetupError("servers: write a mapping, as in servers: {moss: {model: ..., urls: [...]}}")

    def resolved(node: object, key: str = "") -> object:
        if isinstance(node, dict):
            return {name: resolved(value, str(name)) for name, value in node.items()}
        if isinstance(node, list):
            return [resolved(value) for value in node]
        if key == "server" and isinstance(node, str):
            if node not in servers:
                raise SetupError(f"server: {node} is not in the section servers{did_you_mean(node, servers)}")
            return servers[node]
        return node

    return {name: resolved(value) for name, value in tree.items() if name != "servers"}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the name in `known` that is most similar to `name`; empty if none is similar."""
    names = [str(each) for each in known]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.7) or [each for each in names if name and name in each]
    return f"; did you mean {close[0]}?" if close else ""


def first_problem(error: ValidationError, record: type[BaseModel]) -> str:
    """The first problem of a configuration, in one line: where, what, and the most similar valid name."""
    first = error.errors(include_url=False, include_input=False)[0]
    *parents, last = [str(part) for part in first["loc"]] or [""]
    context = first.get("ctx", {})
    if first["type"] == "extra_forbidden":
        place = f" in {'.'.join(parents)}" if parents else ""
        return f"no key {last}{place}{did_you_mean(last, _field_names(record.model_json_schema()))}"
    where = ".".join([*parents, last])
    if first["type"] == "union_tag_invalid":
        kinds = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        return (
            f"{where}: no kind {context['tag']}{did_you_mean(str(context['tag']), kinds)} (one of {', '.join(kinds)})"
        )
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def _field_names(schema: object) -> set[str]:
    """The names of all fields in a JSON schema, at any depth."""
    if isinstance(schema, list):
        return {name for each in schema for name in _field_names(each)}
    if not isinstance(schema, dict):
        return set()
    properties = schema.get("properties")
    names = {str(name) for name in properties} if isinstance(properties, dict) else set()
    return names.union(*map(_field_names, schema.values()))


def _apply(tree: dict[str, Any], override: str) -> None:
    path, sign, value = override.partition("=")
    if not sign:
        raise SetupError(f"--set {override}: write it as key.path=value, as in --set segmentation.cut.max_ms=20000")
    *parents, last = path.split(".")
    node: Any = tree
    try:
        for part in parents:
            if part == "server" and isinstance(node.get(part), str):
                # A part of a server that is referred to by name: this use of it becomes a server of its own.
                node[part] = dict(tree["servers"][node[part]])
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = yaml.safe_load(value)
    except (LookupError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SetupError(f"--set {override}: there is no such place in the configuration") from error


class BranchBackends(Record):
    """The backends of each branch, in the order in which they run."""

    speech: tuple[AnySpeech, ...] = ()
    music: tuple[AnyMusic, ...] = ()
    general: tuple[AnyGeneral, ...] = ()

    def by_branch(self) -> Mapping[Branch, tuple[AnyBackend, ...]]:
        return {Branch.SPEECH: self.speech, Branch.MUSIC: self.music, Branch.GENERAL: self.general}

    def all(self) -> tuple[AnyBackend, ...]:
        return (*self.speech, *self.music, *self.general)


class RunConfig(Record):
    """A complete configuration: the content of `OUT/_run/config.json`, and the basis of every stage's key."""

    decode: DecodeConfig = Field(default=DecodeConfig(), description="how audio is read")
    detectors: tuple[AnyDetection, ...] = Field(min_length=1, description="detectors of sound events, combined")
    segmentation: SegmentationConfig = Field(default=SegmentationConfig(), description="cutting and routing")
    branches: BranchBackends = Field(description="backends that annotate a segment, branch by branch")
    captions: CaptionConfig = Field(default=CaptionConfig(), description="merging into captions")
    without: tuple[str, ...] = Field(
        default=(), description="names of detectors and backends of the profile that are switched off"
    )

    @property
    def models(self) -> tuple[Model, ...]:
        """Every detector and backend, in the order in which they run."""
        return (*self.detectors, *self.branches.all())

    @model_validator(mode="after")
    def _names_are_unique(self) -> RunConfig:
        families: dict[str, tuple[Model, ...]] = {"detectors": self.detectors}
        families |= {branch.value: backends for branch, backends in self.branches.by_branch().items()}
        for family, models in families.items():
            names = [model.backend for model in models]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{family}: {', '.join(twice)} is listed twice; give each a distinct `name`")
        return self

    @model_validator(mode="after")
    def _captioner_is_there(self) -> RunConfig:
        if self.lacks_captioner:
            name = self.captions.captioner
            raise ValueError(f"captions.captioner: no branch has a backend {name!r}: choose an existing one")
        return self

    @property
    def lacks_captioner(self) -> bool:
        """Whether the configured captioner does not exist."""
        names = {backend.backend for group in self.branches.by_branch().values() for backend in group}
        return self.captions.composer == "captioner" and self.captions.captioner not in names


def profile_names() -> tuple[str, ...]:
    """The profiles that come with the package."""
    folder = package_files("soundseam.pipeline").joinpath("profiles")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_config(profile: str, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration in `profile` (a name, or the path of a YAML file) with `key.path=value` overrides applied.

    Values are read as YAML; a number in a path is a position in a list. Raises SetupError, one line with the remedy.
    """
    tree = with_servers(tree_of(_profile_text(profile), profile, overrides))
    try:
        return _switched(RunConfig.model_validate(tree))
    except ValidationError as error:
        problem = first_problem(error, RunConfig)
        raise SetupError(f"configuration {profile}: {problem}; see docs/configuration.md") from error


def _switched(config: RunConfig) -> RunConfig:
    """`config` less what its `without` names. Raises SetupError for a name that is not in it."""
    known = [model.backend for model in config.models]
    for name in config.without:
        if name not in known:
            raise SetupError(f"without: this configuration has no {name}{did_you_mean(name, known)}")
    left = {
        branch.value: tuple(backend for backend in backends if backend.backend not in config.without)
        for branch, backends in config.branches.by_branch().items()
    }
    detectors = tuple(detector for detector in config.detectors if detector.backend not in config.without)
    if not detectors:
        raise SetupError("without: no detector is left; add another one to detectors")
    return config.model_copy(update={"detectors": detectors, "branches": config.branches.model_copy(update=left)})


def server_settings(profile: str, overrides: Sequence[str] = ()) -> dict[str, Endpoint]:
    """The places of a configuration that describe servers, as `--set` names them: of a section `servers`, too."""
    return endpoints_in(tree_of(_profile_text(profile), profile, overrides))


def available(config: RunConfig) -> tuple[RunConfig, tuple[str, ...]]:
    """`config` without the optional backends that cannot load here, and one line about each of those.

    Raises SetupError if a backend that is not optional cannot load.
    """
    notices: list[str] = []

    def loads(model: Model) -> bool:
        try:
            model.check_available()
        except BackendUnavailableError as error:
            if not model.optional:
                raise SetupError(f"{error}; `soundseam doctor` lists what can load here") from error
            notices.append(f"without {model.backend}: {error}")
            return False
        return True

    detectors = tuple(model for model in config.detectors if loads(model))
    branches = {
        branch.value: tuple(backend for backend in backends if loads(backend))
        for branch, backends in config.branches.by_branch().items()
    }
    if not detectors:
        raise SetupError(f"no detector of this configuration can load here: {'; '.join(notices)}")
    changed = {"detectors": detectors, "branches": config.branches.model_copy(update=branches)}
    chosen = config.model_copy(update=changed)
    if chosen.lacks_captioner:
        raise SetupError(f"{config.captions.captioner}, whose captions are taken over, cannot load here: {notices[0]}")
    try:
        chosen.captions.check_available()
    except BackendUnavailableError as error:
        raise SetupError(str(error)) from error
    return chosen, tuple(notices)


def _profile_text(profile: str) -> str:
    if not profile.endswith((".yaml", ".yml")):
        if profile not in profile_names():
            names = profile_names()
            raise SetupError(
                f"no profile {profile}{did_you_mean(profile, names)} "
                f"(one of {', '.join(names)}, or the path of a .yaml file)"
            )
        return package_files("soundseam.pipeline").joinpath("profiles", f"{profile}.yaml").read_text(encoding="utf-8")
    return read_text(profile)
