"""The plugin, as far as it can be tested without vLLM: its metadata, its buffers, its configuration class."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.test_architecture import packages_imported_by

torch = pytest.importorskip("torch", reason="needs pip install 'soundseam[models]'")

SERVING = Path(__file__).parents[2] / "serving"
PROJECT = tomllib.loads((SERVING / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SERVING))
    for name in [name for name in sys.modules if name.partition(".")[0] == "soundseam_serving"]:
        monkeypatch.delitem(sys.modules, name)
    return import_module("soundseam_serving")


def test_vllm_finds_the_plugin_under_the_name_that_serve_looks_for(package: ModuleType) -> None:
    from soundseam.pipeline.serving.vllm_command import PLUGIN

    points = PROJECT["entry-points"]["vllm.general_plugins"]
    assert list(points) == [PLUGIN]
    module, _, function = points[PLUGIN].partition(":")
    assert callable(getattr(import_module(module), function))


def test_the_distribution_requires_nothing_and_brings_its_licence() -> None:
    assert PROJECT["dependencies"] == []
    assert PROJECT["license"] == "Apache-2.0"
    assert (SERVING / "LICENSE").read_bytes() == (SERVING.parent / "LICENSE").read_bytes()


def test_it_imports_neither_soundseam_nor_beam() -> None:
    imported = set()
    for path in (SERVING / "soundseam_serving").glob("*.py"):
        imported |= packages_imported_by(path)
    assert imported - set(sys.stdlib_module_names) == {"soundseam_serving", "torch", "transformers", "vllm"}


def test_importing_the_package_imports_neither_vllm_nor_torch_nor_transformers() -> None:
    text = (SERVING / "soundseam_serving" / "__init__.py").read_text(encoding="utf-8")
    top = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert top == ["from __future__ import annotations"]


def test_buffers_are_there_and_zero_before_anything_was_heard(package: ModuleType) -> None:
    buffers = import_module("soundseam_serving.buffers").DeepStackBuffers(3, 8, 4)
    read = buffers.read(5)
    assert list(read) == [f"deepstack_input_embeds_{layer}" for layer in range(3)]
    assert all(view.shape == (5, 4) and not view.any() for view in read.values())


def test_what_a_batch_brings_is_read_at_the_same_address_and_gone_with_the_next(package: ModuleType) -> None:
    buffers = import_module("soundseam_serving.buffers").DeepStackBuffers(2, 8, 4)
    before = {name: view.data_ptr() for name, view in buffers.read(8).items()}
    features = {f"deepstack_input_embeds_{layer}": torch.full((5, 4), layer + 1.0) for layer in range(2)}
    buffers.write(features)
    read = buffers.read(8)
    for name, view in read.items():
        assert torch.equal(view[:5], features[name])
        assert not view[5:].any()
        assert view.data_ptr() == before[name]
    buffers.write({name: tensor[:2] for name, tensor in features.items()})
    assert all(view[:2].all() and not view[2:].any() for view in buffers.read(8).values())
    buffers.write(None)
    assert not any(view.any() for view in buffers.read(8).values())


def test_features_of_more_tokens_than_there_is_room_for_are_an_error(package: ModuleType) -> None:
    buffers = import_module("soundseam_serving.buffers").DeepStackBuffers(1, 4, 2)
    with pytest.raises(RuntimeError):
        buffers.write({"deepstack_input_embeds_0": torch.ones(5, 2)})


def test_what_is_compiled_with_the_plugin_has_a_key_of_its_own(
    package: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    mark_as_ours = import_module("soundseam_serving.compile_key").mark_as_ours
    config = SimpleNamespace(additional_config={"another": True})
    mark_as_ours(config)
    assert config.additional_config == {"another": True, "soundseam_moss_audio": 1}
    mark_as_ours(SimpleNamespace(additional_config=object()))
    assert "empty vLLM's cache" in caplog.text


def test_the_configuration_class_reads_a_checkpoint_without_running_its_code(
    package: ModuleType, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers", reason="needs pip install 'soundseam[models]'")
    from tests.annotators.moss.tiny_moss import make_checkpoint

    config_class = import_module("soundseam_serving.configuration").MossAudioConfig
    transformers.AutoConfig.register("moss_audio", config_class, exist_ok=True)
    config = transformers.AutoConfig.from_pretrained(make_checkpoint(tmp_path))
    assert type(config) is config_class
    assert config.get_text_config() is config.language_config
    assert config.language_config.num_hidden_layers == 4
    assert config.audio_config["deepstack_encoder_layer_indexes"] == [0, 1, 2]
    assert config.deepstack_num_inject_layers == 3
    config.save_pretrained(tmp_path / "again")
    again = transformers.AutoConfig.from_pretrained(tmp_path / "again")
    assert again.language_config.to_dict() == config.language_config.to_dict()
