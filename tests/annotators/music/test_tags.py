from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.music.clap_tags import read_music_labels
from soundseam.annotators.music.tags import Tags
from soundseam.schemas.event import Tag, TagKind
from tests.annotators.music.builders import clip, noise
from tests.annotators.music.tiny import clap_tags, tags


def tags_of(backend: Tags, seconds: float = 3.5) -> tuple[Tag, ...]:
    found = backend.load().annotate([clip(noise(seconds))])[0].tags
    assert found is not None
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tags")


def test_every_label_has_a_score_the_surest_first_and_says_which_model_gave_it(folder: Path) -> None:
    found = tags_of(tags(folder))
    assert {tag.label for tag in found} == {"Speech", "Music", "Dog", "Silence"}
    assert [tag.score for tag in found] == sorted((tag.score for tag in found), reverse=True)
    assert {(tag.kind, tag.source) for tag in found} == {(TagKind.GENRE, "ast")}


def test_where_one_label_holds_scores_are_shares_and_else_they_are_not(folder: Path) -> None:
    alone = tags_of(tags(folder).model_copy(update={"scores": "softmax"}))
    together = tags_of(tags(folder).model_copy(update={"scores": "sigmoid"}))
    assert sum(tag.score for tag in alone) == pytest.approx(1.0, abs=0.01)
    assert sum(tag.score for tag in together) > 1.2


def test_labels_of_low_scores_and_more_than_were_asked_for_are_left_out(folder: Path) -> None:
    every = tags_of(tags(folder))
    assert tags_of(tags(folder).model_copy(update={"max_tags": 2})) == every[:2]
    least = every[1].score
    assert len(tags_of(tags(folder).model_copy(update={"min_score": least - 0.0006}))) == 2


def test_our_list_of_labels_has_instruments_genres_and_moods() -> None:
    labels = read_music_labels(None, "clap_tags")
    assert {kind for _, kind in labels} == {TagKind.INSTRUMENT, TagKind.GENRE, TagKind.MOOD}
    assert len({label for label, _ in labels}) == len(labels) > 50


@pytest.mark.parametrize("text", ["word,kind\npiano,instrument\n", "label,kind\npiano,shape\n", "label,kind\n"])
def test_a_list_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(BackendUnavailableError, match="label"):
        read_music_labels(str(tmp_path / "labels.csv"), "clap_tags")


def test_words_of_ones_own_are_scored_and_change_the_key(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("label,kind\na theremin,instrument\nsea shanty,genre\n")
    ours = clap_tags(folder)
    own = ours.model_copy(update={"labels": str(tmp_path / "labels.csv"), "min_score": 0.0})
    samples = np.random.default_rng(0).normal(0, 0.1, 96_000)
    found = own.load().annotate([clip(samples)])[0].tags
    assert found is not None
    assert {(tag.label, tag.kind) for tag in found} == {
        ("a theremin", TagKind.INSTRUMENT),
        ("sea shanty", TagKind.GENRE),
    }
    before = own.revision
    (tmp_path / "labels.csv").write_text("label,kind\na theremin,instrument\n")
    assert len({before, own.revision, ours.revision}) == 3


def test_weights_of_mert_are_refused_unless_allowed() -> None:
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        Tags(weights="m-a-p/MERT-v1-95M").load()
