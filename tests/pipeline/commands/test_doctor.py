from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pytest

from soundseam.annotators.base import Annotator, Backend, Model
from soundseam.annotators.speech.ctc_alignment import CtcAlignment
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.onnx_diarization import OnnxDiarization
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx
from soundseam.pipeline.commands.display import doctor_view
from soundseam.pipeline.config import load_config
from soundseam.pipeline.doctor import (
    FAMILIES,
    count_gpus,
    examine_kinds,
    examine_machine,
    examine_model,
    examine_profile,
    fitting_workers,
    kind_of,
    members_of,
)
from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts
from tests.pipeline.commands.test_display import shown


class Unreachable(Backend[GeneralFacts]):
    """A backend whose module nobody has."""

    kind: Literal["unreachable"] = "unreachable"
    branch: ClassVar[Branch] = Branch.GENERAL
    requires: ClassVar[tuple[str, ...]] = ("no_such_module_anywhere",)
    remedy: ClassVar[str] = "pip install no-such-module"
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return "none"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[GeneralFacts]:
        raise NotImplementedError


def test_every_member_of_every_family_has_a_row() -> None:
    members = [(family, kind_of(member)) for family, union in FAMILIES.items() for member in members_of(union)]
    assert [(report.family, report.backend) for report in examine_kinds()] == members
    assert len(members) == len(set(members))


def test_a_family_may_have_one_member() -> None:
    assert members_of(Unreachable) == (Unreachable,)


def test_what_is_missing_is_named_with_the_remedy() -> None:
    report = examine_model("general", Unreachable())
    assert not report.loads
    assert "no_such_module_anywhere" in report.problem
    assert "pip install no-such-module" in report.problem


def test_the_embedded_profile_loads_in_the_base_install() -> None:
    reports = examine_profile(load_config("embedded"))
    assert [report.backend for report in reports if not report.loads and not report.optional] == []


def test_weights_of_the_hub_are_told_with_their_own_licence_and_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(CtcAlignment, "requires", ())
    report = examine_model("speech", CtcAlignment(weights="somebody/aligner", weights_licence="CC-BY-4.0"))
    assert report.loads
    assert report.licence == "CC-BY-4.0"
    assert "https://huggingface.co/somebody/aligner" in report.source


def test_gated_weights_do_not_load_without_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(PyannoteDiarization, "requires", ())
    report = examine_model("speech", PyannoteDiarization(optional=True))
    assert (report.loads, report.licence) == (False, "CC-BY-4.0")
    view = doctor_view([report], examine_machine())
    text = shown(view)
    assert "no, optional" in text
    assert "https://huggingface.co/pyannote/speaker-diarization-community-1" in text


def test_sizes_licences_and_places_of_all_weights_are_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(FasterWhisper, "requires", ())
    (tmp_path / "model.bin").write_bytes(bytes(2_500_000))
    models = [
        FasterWhisper(weights="small"),
        FasterWhisper(name="local", weights=str(tmp_path), weights_licence="MIT"),
        OnnxDiarization(),
    ]
    text = shown(doctor_view([examine_model("speech", model) for model in models], examine_machine()))
    assert "faster_whisper: Systran/faster-whisper-small comes from https://huggingface.co/Systran/" in text
    assert "(no token needed), 484 MB; licence MIT" in text
    assert f"local: folder {tmp_path}, 2.5 MB; licence MIT" in text
    assert "onnx_diarization: with the package, 11 MB; licence MIT AND Apache-2.0" in text


def test_what_is_missing_of_the_laptop_profile_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(SherpaOnnx, "requires", ("no_sherpa_here",))
    reports = {report.backend: report for report in examine_profile(load_config("laptop"))}
    assert reports["sherpa_onnx"].problem == "sherpa_onnx needs no_sherpa_here: pip install 'soundseam[sherpa]'"
    assert not reports["sherpa_onnx"].loads
    assert reports["onnx_diarization"].loads


def test_the_laptop_profile_needs_no_torch_and_no_gpu() -> None:
    models = load_config("laptop").models
    assert not {module for model in models for module in model.requires} & {"torch", "transformers", "pyannote.audio"}
    assert {model.kind for model in models} >= {
        "faster_whisper",
        "sherpa_onnx",
        "agreement",
        "yamnet",
        "onnx_diarization",
    }


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_backend_states_a_licence(family: str) -> None:
    members: tuple[type[Model], ...] = members_of(FAMILIES[family])
    assert all(member.licence for member in members)


def test_the_machine_has_a_core_and_a_disk() -> None:
    machine = examine_machine()
    assert machine.cores >= 1
    assert machine.disk_free_gib > 0
    assert dict(machine.packages)["numpy"]


@pytest.mark.parametrize(("profile", "gpus", "workers"), [("embedded", 1, 16), ("local", 1, 2), ("local", 0, 16)])
def test_processes_are_as_many_as_cores_unless_models_share_gpus(profile: str, gpus: int, workers: int) -> None:
    assert fitting_workers(load_config(profile), cores=16, gpus=gpus) == workers


@pytest.mark.parametrize(("visible", "count"), [(None, 2), ("", 0), ("-1", 0), ("1", 1), ("0,1", 2), ("GPU-ab12", 1)])
def test_gpus_that_are_hidden_from_this_process_are_not_counted(visible: str | None, count: int) -> None:
    assert count_gpus(["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], visible) == count
