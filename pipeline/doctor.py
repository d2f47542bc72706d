"""Reports what can load here: every backend of every family, and the machine."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from soundseam.annotators.base import BackendUnavailableError, Model
from soundseam.annotators.detection import AnyDetection
from soundseam.annotators.general import AnyGeneral
from soundseam.annotators.hub import note_of
from soundseam.annotators.music import AnyMusic
from soundseam.annotators.onnx import CARRIED
from soundseam.annotators.speech import AnySpeech
from soundseam.pipeline.config import RunConfig
from soundseam.schemas.record import Record

FAMILIES: Mapping[str, Any] = {
    "detection": AnyDetection,
    "speech": AnySpeech,
    "music": AnyMusic,
    "general": AnyGeneral,
}
WORKERS_A_GPU = 2
"""About 8 GB of the GPU's memory each, with the models of the profile `local`."""
PACKAGES = (
    "soundseam",
    "apache-beam",
    "av",
    "librosa",
    "numpy",
    "onnxruntime",
    "pocketsphinx",
    "pyarrow",
    "pydantic",
    "soundfile",
    "soxr",
    "torch",
)


class ModelReport(Record):
    """One backend kind, or one backend of a profile."""

    family: str
    backend: str
    model: str
    licence: str
    """Licence of the weights that it would load."""
    source: str
    """Origin and size of the weights; empty if there are none, or they are in a wheel."""
    from_hub: bool
    loads: bool
    optional: bool
    problem: str
    """What is missing, with the remedy; empty if it loads."""


class MachineReport(Record):
    """The machine."""

    python: str
    system: str
    cores: int
    gpus: int
    memory_gib: float | None
    disk_free_gib: float
    temporary: str
    """The temporary folder, and its free space."""
    compiled: str
    """Where compiled code is cached."""
    packages: tuple[tuple[str, str | None], ...]
    """(name, version), null if it is not installed."""


def members_of(union: Any) -> tuple[type[Model], ...]:
    """The backend classes of a family's union; a family of one is its own only member."""
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    return get_args(union) or (union,)


def examine_kinds() -> Iterator[ModelReport]:
    """A report on every backend kind of every family, with default options."""
    for family, union in FAMILIES.items():
        for member in members_of(union):
            kind = kind_of(member)
            try:
                model = member.model_validate({"kind": kind})
            except ValidationError as error:
                wants = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
                yield ModelReport(
                    family=family,
                    backend=kind,
                    model="",
                    licence=member.licence,
                    source="",
                    from_hub=False,
                    loads=False,
                    optional=False,
                    problem=f"needs options in the profile: {wants}",
                )
            else:
                yield examine_model(family, model)


def examine_profile(config: RunConfig) -> list[ModelReport]:
    """A report on each backend of `config`, in the order in which they run."""
    families: dict[str, Sequence[Model]] = {"detection": config.detectors}
    families |= {branch.value: backends for branch, backends in config.branches.by_branch().items()}
    return [examine_model(family, model) for family, models in families.items() for model in models]


def examine_model(family: str, model: Model) -> ModelReport:
    """Whether `model` can load here, without loading it: nothing is downloaded."""
    problem = ""
    try:
        model.check_available()
    except BackendUnavailableError as error:
        problem = str(error)
    return ModelReport(
        family=family,
        backend=model.backend,
        model=model.model,
        licence=model.weights_terms,
        source=_source_of(model),
        from_hub=model.repository is not None,
        loads=not problem,
        optional=model.optional,
        problem=problem,
    )


def _source_of(model: Model) -> str:
    if model.repository:
        return note_of(model.repository)
    folder = Path(str(getattr(model, "weights", "")) or os.devnull)
    if folder.is_dir():
        return f"folder {folder}, {_megabytes(path for path in folder.rglob('*') if path.is_file())}"
    if model.carries:
        return f"with the package, {_megabytes(CARRIED / name for name in model.carries)}"
    return ""


def _megabytes(paths: Iterable[Path]) -> str:
    size_mb = sum(path.stat().st_size for path in paths) / 1e6
    return f"{size_mb:,.0f} MB" if size_mb >= 10 else f"{size_mb:.1f} MB"


def kind_of(member: type[Model]) -> str:
    """The value of `kind` that selects `member` in YAML."""
    field = member.model_fields["kind"]
    return str(get_args(field.annotation)[0] if get_args(field.annotation) else field.default)


def examine_machine(folder: str = ".") -> MachineReport:
    """The machine as the process sees it; the disk is that of `folder`."""
    return MachineReport(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=usable_cores(),
        gpus=usable_gpus(),
        memory_gib=_memory_gib(),
        disk_free_gib=round(shutil.disk_usage(folder).free / 2**30, 1),
        temporary=f"{tempfile.gettempdir()}, {shutil.disk_usage(tempfile.gettempdir()).free / 2**30:.1f} GiB free",
        compiled=os.environ.get("NUMBA_CACHE_DIR", "beside the packages, or in the home folder"),
        packages=tuple((name, _version(name)) for name in PACKAGES),
    )


def fitting_workers(config: RunConfig, cores: int, gpus: int) -> int:
    """Default number of local processes for `config`: one per core, or a few per GPU that it would use.

    Each process loads its own models, and a GPU has room for few of them.
    """
    uses_gpu = any(getattr(model, "device", "cpu") != "cpu" for model in config.models)
    return min(cores, WORKERS_A_GPU * gpus) if uses_gpu and gpus else cores


def usable_gpus() -> int:
    """Number of NVIDIA GPUs that this process may use, determined without loading a GPU library."""
    return count_gpus([device.name for device in Path("/dev").glob("nvidia*")], os.environ.get("CUDA_VISIBLE_DEVICES"))


def count_gpus(devices: Sequence[str], visible: str | None) -> int:
    """Number of GPUs among the names in `devices`; `visible` is CUDA_VISIBLE_DEVICES, if set."""
    found = sum(name.removeprefix("nvidia").isdigit() for name in devices)
    return found if visible is None else min(found, sum(name not in {"", "-1"} for name in visible.split(",")))


def usable_cores() -> int:
    """Number of cores that this process may use, possibly fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
