"""A configuration comes from a profile and overrides; what is wrong with it is said in one line, with the remedy."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from soundseam.pipeline.config import MAX_CONFIG_BYTES, RunConfig, SetupError, available, load_config, profile_names
from soundseam.pipeline.plan import stage_keys


def a_profile(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_and_survives_yaml(name: str) -> None:
    config = load_config(name)
    assert RunConfig.model_validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_a_profile_may_lie_anywhere(tmp_path: Path) -> None:
    path = a_profile(tmp_path, "detectors: [{kind: silero_vad}]\nbranches: {}")
    assert [detector.kind for detector in load_config(path).detectors] == ["silero_vad"]


def test_overrides_reach_into_records_and_lists() -> None:
    config = load_config("embedded", ["segmentation.cut.max_ms=20000", "detectors.0.name=mine", "branches.music=[]"])
    assert config.segmentation.cut.max_ms == 20_000
    assert config.detectors[0].backend == "mine"
    assert config.branches.music == ()


def test_models_come_in_the_order_in_which_they_run() -> None:
    config = load_config("embedded")
    assert config.models[: len(config.detectors)] == config.detectors
    assert config.models[len(config.detectors) :] == tuple(
        backend for backends in config.branches.by_branch().values() for backend in backends
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("captions.sentences", "write it as key.path=value"),
        ("segmentation.cut.max_ms=soon", "segmentation.cut.max_ms: .*integer"),
        ("segmentation.cut.longest=1", "no key longest in segmentation.cut"),
        ("detectors.7.name=x", "no such place"),
        ("detectors.first.name=x", "no such place"),
        ("detectors=[]", "detectors: .*at least 1"),
        ("detectors.0.kind=unheard", "detectors.0: no kind unheard"),
        ("captions=[1", "no such place"),
        (
            "detectors=[{kind: silero_vad}, {kind: silero_vad}]",
            "silero_vad is listed twice; give each a distinct `name`",
        ),
    ],
)
def test_a_wrong_override_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(SetupError, match=message) as refusal:
        load_config("embedded", [override])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("- a list", "must be a YAML mapping"),
        ("", "must be a YAML mapping"),
        ("detectors: [{kind: silero_vad}]", "branches: Field required"),
        ("!!python/object/apply:os.getcwd []", "is not YAML"),
        ("x" * (MAX_CONFIG_BYTES + 1), "that is not a configuration"),
        ("\udcff", "cannot read"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SetupError, match=message) as refusal:
        load_config(str(path))
    assert "\n" not in str(refusal.value)


def test_an_unknown_profile_is_answered_with_those_there_are() -> None:
    with pytest.raises(SetupError, match=r"no profile imbedded; did you mean embedded"):
        load_config("imbedded")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SetupError, match=r"cannot read the configuration nowhere\.yaml"):
        load_config("nowhere.yaml")


def test_an_optional_backend_that_cannot_load_is_left_out_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    config, notices = available(
        load_config("embedded", ["branches.speech=[{kind: pocketsphinx, optional: true}, {kind: voice}]"])
    )
    assert "pocketsphinx" not in {model.kind for model in config.models}
    assert len(notices) == 1
    assert "soundseam[speech]" in notices[0]


@pytest.mark.parametrize("name", [model.backend for model in load_config("embedded").models[1:]])
def test_a_switch_turns_each_model_of_the_default_off(name: str) -> None:
    whole, config = load_config("embedded"), load_config("embedded", [f"without=[{name}]"])
    assert [model for model in whole.models if model.backend != name] == list(config.models)
    assert len(config.models) == len(whole.models) - 1


def test_what_is_not_there_cannot_be_switched_off() -> None:
    with pytest.raises(SetupError, match=r"without: this configuration has no yamnett; did you mean yamnet"):
        load_config("embedded", ["without=[yamnett]"])
    with pytest.raises(SetupError, match="no detector is left"):
        load_config("embedded", ["without=[embedded]"])


def test_the_default_runs_without_an_optional_wheel_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyloudnorm", None)
    config, notices = available(load_config("embedded"))
    assert "mir" not in {model.kind for model in config.models}
    assert notices == ("without mir: mir needs pyloudnorm: pip install pyloudnorm",)


def test_the_default_needs_no_speech_recogniser() -> None:
    assert not {model.kind for model in load_config("embedded").models} & {"pocketsphinx", "faster_whisper"}


def test_a_needed_backend_that_cannot_load_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SetupError, match=r"needs onnxruntime.*: pip install onnxruntime.*soundseam doctor"):
        available(load_config("embedded"))


def test_a_configuration_whose_backends_all_load_stays_as_it_is() -> None:
    config = load_config("embedded", ["branches.speech=[{kind: voice}]"])
    assert available(config) == (config, ())


SERVERS = """
servers:
  moss: {model: MOSS-Audio, urls: [http://gpu:8000/v1]}
detectors: [{kind: embedded}]
branches:
  general: [{kind: judge, server: moss}]
captions:
  verifier: {server: moss}
"""
WRITTEN_OUT = """
detectors: [{kind: embedded}]
branches:
  general: [{kind: judge, server: {model: MOSS-Audio, urls: [http://gpu:8000/v1]}}]
captions:
  verifier: {server: {model: MOSS-Audio, urls: [http://gpu:8000/v1]}}
"""


def test_a_server_named_once_is_the_server_written_out(tmp_path: Path) -> None:
    (tmp_path / "named.yaml").write_text(SERVERS)
    (tmp_path / "written.yaml").write_text(WRITTEN_OUT)
    named, written = (load_config(str(tmp_path / f"{name}.yaml")) for name in ("named", "written"))
    assert named == written
    assert stage_keys(named) == stage_keys(written)


def test_moving_a_named_server_moves_it_for_all_that_ask_it(tmp_path: Path) -> None:
    moved = load_config(a_profile(tmp_path, SERVERS), ["servers.moss.urls=[http://other:1/v1]"])
    assert moved.captions.verifier is not None
    assert moved.captions.verifier.server.urls == ("http://other:1/v1",)


def test_moving_one_use_of_a_named_server_leaves_the_others(tmp_path: Path) -> None:
    profile, override = a_profile(tmp_path, SERVERS), "captions.verifier.server.urls=[http://other:1/v1]"
    moved, before = load_config(profile, [override]), load_config(profile)
    assert moved.captions.verifier is not None
    assert (moved.captions.verifier.server.model, moved.captions.verifier.server.urls) == (
        "MOSS-Audio",
        ("http://other:1/v1",),
    )
    assert moved.branches == before.branches


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("captions.verifier.server=mos", "did you mean moss?"),
        ("segmentation.cut.maxms=2", "no key maxms in segmentation.cut; did you mean max_ms?"),
        ("branches.general.0.kind=juge", "did you mean judge?"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_nearest_one(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(SetupError, match=re.escape(message)):
        load_config(a_profile(tmp_path, SERVERS), [override])


def test_the_old_names_of_bounds_still_work_and_make_the_same_keys(tmp_path: Path) -> None:
    text = "detectors: [{kind: embedded}]\nbranches: {general: [{kind: judge, server: {model: m}, %s: 3.0}]}"
    old, new = (load_config(a_profile(tmp_path, text % name)) for name in ("least_mean", "min_mean"))
    assert old == new
    assert stage_keys(old) == stage_keys(new)
