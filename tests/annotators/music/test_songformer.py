from __future__ import annotations

import json
import os
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.music.songformer import RATE_HZ, BoundaryLimits, SongFormer, parts_of_frames
from soundseam.schemas.music import Section
from tests.annotators.music.builders import clip
from tests.annotators.music.tiny import songformer

LIMITS = BoundaryLimits(threshold=0.5, apart_s=4.0)
NAMES = ("intro", "verse", "chorus")


def functions_of(*runs: tuple[str, int]) -> np.ndarray:
    rows = [np.eye(3, dtype=np.float32)[NAMES.index(name)] for name, count in runs for _ in range(count)]
    return np.array(rows)


def test_parts_lie_between_the_peaks_and_are_called_what_most_of_their_frames_are() -> None:
    boundaries = np.zeros(200, np.float32)
    boundaries[[50, 120]] = 0.9
    functions = functions_of(("intro", 50), ("chorus", 10), ("verse", 60), ("chorus", 80))
    parts = parts_of_frames(boundaries, functions, NAMES, 0.1, LIMITS)
    assert parts == [(0.0, 5_000.0, "intro"), (5_000.0, 12_000.0, "verse"), (12_000.0, 20_000.0, "chorus")]


def test_of_boundaries_near_each_other_the_surest_stays() -> None:
    boundaries = np.zeros(200, np.float32)
    boundaries[[20, 100, 110, 190]] = [0.9, 0.7, 0.8, 0.9]
    parts = parts_of_frames(boundaries, functions_of(("verse", 200)), NAMES, 0.1, LIMITS)
    assert [start for start, _, _ in parts] == [0.0, 11_000.0], "nor is one within 4 s of an end"


def test_doubtful_boundaries_are_none() -> None:
    parts = parts_of_frames(np.full(100, 0.4, np.float32), functions_of(("verse", 100)), NAMES, 0.1, LIMITS)
    assert parts == [(0.0, 10_000.0, "verse")]


def sections_of(backend: SongFormer, seconds: float, start_ms: int = 0) -> tuple[Section, ...]:
    samples = np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE_HZ))
    heard = clip(samples)
    segment = heard.segment.model_copy(update={"start_ms": start_ms, "end_ms": start_ms + round(1000 * seconds)})
    (facts,) = backend.load().annotate([type(heard)(segment, samples.astype(np.float32), RATE_HZ)])
    assert facts.sections is not None
    return facts.sections


def test_an_exported_model_gives_sections_with_functions_that_cover_the_piece(tmp_path: Path) -> None:
    sections = sections_of(songformer(tmp_path), 60, start_ms=5_000)
    assert len(sections) > 2
    assert (sections[0].start_ms, sections[-1].end_ms) == (5_000, 65_000)
    assert all(before.end_ms == after.start_ms for before, after in pairwise(sections))
    letters = {section.function: section.label for section in sections}
    assert all(section.label == letters[section.function] for section in sections)
    assert set(letters) <= {"intro", "verse", "chorus", "outro"}


def test_a_few_seconds_have_no_form(tmp_path: Path) -> None:
    assert sections_of(songformer(tmp_path), 5) == ()


def test_a_label_file_of_another_length_is_found_out(tmp_path: Path) -> None:
    backend = songformer(tmp_path)
    Path(backend.labels).write_text("intro\nverse\n")
    with pytest.raises(ValueError, match="gives 4 functions"):
        sections_of(backend, 20)


MODELING = """
import os
from pathlib import Path
import torch
from transformers import PretrainedConfig, PreTrainedModel
from beside_it import PARTS
class SongFormerConfig(PretrainedConfig):
    model_type = "songformer"
class SongFormerModel(PreTrainedModel):
    config_class = SongFormerConfig
    def __init__(self, config):
        super().__init__(config)
        assert Path(os.environ["SONGFORMER_LOCAL_DIR"], "beside_it.py").is_file()
        self.gain = torch.nn.Parameter(torch.ones(1))
        self.post_init()
    def forward(self, wave):
        seconds = len(wave) / 24000
        return [{"start": a * seconds, "end": b * seconds, "label": name} for a, b, name in PARTS]
"""


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is loaded, called and answers as that of ASLP-lab/SongFormer."""
    pytest.importorskip("transformers")
    safetensors = pytest.importorskip("safetensors.numpy")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "SongFormer"
    folder.mkdir()
    names = "modeling_songformer.SongFormerConfig", "modeling_songformer.SongFormerModel"
    auto = dict(zip(("AutoConfig", "AutoModel"), names, strict=True))
    (folder / "config.json").write_text(
        json.dumps({"architectures": ["SongFormerModel"], "model_type": "songformer", "auto_map": auto})
    )
    (folder / "modeling_songformer.py").write_text(MODELING)
    (folder / "beside_it.py").write_text("PARTS = [(0, 0.25, 'intro'), (0.25, 0.5, 'verse'), (0.5, 1, 'chorus')]\n")
    safetensors.save_file(
        {"gain": np.ones(1, np.float32)}, str(folder / "model.safetensors"), metadata={"format": "pt"}
    )
    return folder


def test_songformers_own_code_is_run_from_its_folder_and_leaves_nothing_behind(own_code: Path) -> None:
    sections = sections_of(SongFormer(weights=str(own_code), device="cpu", allow_non_commercial=True), 40)
    assert [(one.start_ms, one.end_ms, one.function) for one in sections] == [
        (0, 10_000, "intro"),
        (10_000, 20_000, "verse"),
        (20_000, 40_000, "chorus"),
    ]
    assert [one.label for one in sections] == ["A", "B", "C"]
    assert str(own_code) not in sys.path
    assert "beside_it" not in sys.modules
    assert "SONGFORMER_LOCAL_DIR" not in os.environ


def test_songformers_weights_are_refused_unless_non_commercial_use_is_allowed(own_code: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        SongFormer(weights=str(own_code)).load()


def test_what_its_code_lacks_is_named(own_code: Path) -> None:
    (own_code / "modeling_songformer.py").write_text(f"import no_such_package\n{MODELING}")
    with pytest.raises(BackendUnavailableError, match=r"no_such_package.*requirements"):
        SongFormer(weights=str(own_code), device="cpu", allow_non_commercial=True).load()


def test_a_missing_model_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="download"):
        SongFormer(weights=str(tmp_path / "none")).load()
