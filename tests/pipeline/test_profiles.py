"""Every profile that comes with the package is complete: it plans, and it runs where its models are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseam.annotators.base import Model
from soundseam.pipeline.config import RunConfig, load_config, profile_names
from soundseam.pipeline.launch import RunRequest, prepare_run
from tests.support.chat_models import contract_server
from tests.support.corpora import copy_samples, rows_of, run_cli
from tests.support.members import tiny_maker

RECORDINGS = ("speech-circuits-busy.wav", "sound-bell.flac")


def places_of(config: RunConfig) -> dict[str, tuple[str, Model]]:
    """Where each model stands, as `--set` takes it → its family and the model."""
    families = {"detectors": ("detection", config.detectors)}
    families |= {f"branches.{name}": (name, backends) for name, backends in config.branches.by_branch().items()}
    return {
        f"{place}.{index}": (family, model)
        for place, (family, models) in families.items()
        for index, model in enumerate(models)
    }


def with_tiny_models(config: RunConfig, folder: Path) -> list[str]:
    """Overrides that give each backend of `config` the tiny model that tests make for its kind, where they do."""
    overrides = []
    for place, (family, model) in places_of(config).items():
        if maker := tiny_maker(f"{family}/{model.kind}"):
            tiny = maker(folder / family)
            # Whole values of what the tiny one changes: the kind of a part is a default, and must stand there.
            changed, values = tiny.model_dump(mode="json", exclude_defaults=True), tiny.model_dump(mode="json")
            overrides += [f"{place}.{name}={json.dumps(values[name])}" for name in changed if name != "name"]
    asked = {"writer": config.captions.writer, "verifier": config.captions.verifier}
    urls = json.dumps([contract_server().url])
    return overrides + [f"captions.{name}.server.urls={urls}" for name, one in asked.items() if one is not None]


@pytest.mark.parametrize("profile", profile_names())
def test_a_profile_can_be_planned_before_any_model_is_there(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    recordings = copy_samples(tmp_path / "in", *RECORDINGS)
    for module in {module for model in load_config(profile).models for module in model.requires}:
        pytest.importorskip(module)
    prepared = prepare_run(RunRequest(inputs=(str(recordings),), output=str(tmp_path / "out"), profile=profile))
    assert prepared.plan.recordings == len(RECORDINGS)
    assert all(stage.todo == len(RECORDINGS) for stage in prepared.plan.stages)


@pytest.mark.parametrize("profile", ["laptop", "local", "cluster"])
def test_a_profile_with_models_runs_as_a_whole(profile: str, tmp_path: Path) -> None:
    config = load_config(profile)
    overrides = with_tiny_models(config, tmp_path / "models")
    recordings = copy_samples(tmp_path / "in", *RECORDINGS)
    options = [option for override in overrides for option in ("--set", override)]
    run_cli("run", recordings, "--output", tmp_path / "out", "--profile", profile, "--workers", "1", *options)
    segments, captions = rows_of(tmp_path / "out", "segments"), rows_of(tmp_path / "out", "captions")
    assert {row["segment_id"] for row in captions} == {row["segment_id"] for row in segments}
    assert rows_of(tmp_path / "out", "rejected") == []
    claims = [claim for row in captions for claim in row["claims"]]
    assert all((claim["verdict"] is None) == (config.captions.verifier is None) for claim in claims)
    for branch, backends in config.branches.by_branch().items():
        wanted = {(row["segment_id"], one.backend) for row in segments if branch in row["branches"] for one in backends}
        rows = rows_of(tmp_path / "out", f"annotations/{branch}")
        assert {(row["segment_id"], row["backend"]) for row in rows} == wanted
