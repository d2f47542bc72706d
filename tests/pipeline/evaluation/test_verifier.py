"""A verifier of which everything is known gets the figures that it deserves."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import Question
from soundseam.annotators.flac import encode_flac
from soundseam.pipeline.captions.caption_config import VerifierConfig
from soundseam.pipeline.commands import cli
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.evaluation.calibration import calibrate, trials_of
from soundseam.pipeline.evaluation.verifier import evaluate_verifier, verifier_tables
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output, shard_of
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table
from tests.pipeline.filters.corpora import a_told_caption, a_told_segment, commit_corpus
from tests.support.builders import recording_id_of, with_audio
from tests.support.chat_models import Scripted
from tests.support.chat_server import Asked, ChatServer
from tests.support.corpora import quick_profile
from tests.support.scripted_client import ScriptedClient, claim_in

NAMES = "abcdefghijklmnopqrstuvwxyz"
EVERY_SILENCE = VerifierConfig(silence_share=1.0)


def a_corpus() -> dict[str, tuple[Segment, Caption]]:
    """One segment per recording, each with a caption of its own."""
    segments = {name: a_told_segment(name, 0) for name in NAMES}
    return {name: (one, a_told_caption(one, f"Sound {name} is heard.")) for name, one in segments.items()}


def flac_of(name: str) -> bytes:
    """A sound that a scripted model knows again."""
    samples = np.full(1_600, (1 + NAMES.index(name)) / 64, np.float32)
    return encode_flac(samples)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("told") / "out"
    shards = prepare_output(str(folder))
    for name, (segment, caption) in a_corpus().items():
        covers = ((recording_id_of(name), "k"),)
        shard = shard_of(recording_id_of(name), shards)
        with new_commit(str(folder), Commit(stage=SEGMENTS_STAGE, shard=shard, covers=covers, files=())) as writer:
            writer.append(Table.SEGMENTS, with_audio(segment, flac_of(name)))
        with new_commit(str(folder), Commit(stage=CAPTIONS_STAGE, shard=shard, covers=covers, files=())) as writer:
            writer.append(Table.CAPTIONS, caption)
    return folder


NAME_OF = {flac_of(name): name for name in NAMES}


def is_true(question: Question) -> bool:
    return claim_in(question) == f"Sound {NAME_OF.get(question.audio[0], '-')} is heard."


class Knowing(ScriptedClient):
    """Knows each sound: holds a true claim with `sure`, a false one with the rest."""

    sure = 0.95

    def _reply(self, question: Question) -> object:
        self.holds = lambda claim, silent: self.sure if is_true(question) and not silent else 1 - self.sure
        return super()._reply(question)


def test_a_verifier_that_knows_is_right_and_sharp(output: Path) -> None:
    found = evaluate_verifier(str(output), EVERY_SILENCE, Knowing(), 20, 0)
    everything = found.scores[0]
    assert (everything.group, everything.trials, found.segments, found.failed) == ("all", 40, 20, 0)
    assert (everything.accuracy, everything.auc) == (1.0, 1.0)
    assert everything.brier == pytest.approx(0.05**2)
    assert everything.ece == pytest.approx(0.05)
    assert (everything.confirmed_own, everything.dropped_swapped) == (1.0, 1.0)
    assert (everything.confirmed_swapped, everything.dropped_own) == (0.0, 0.0)
    assert (found.silence_trials, found.believed_in_silence) == (20, 0.0)
    assert [(one.low, one.count, one.share_true) for one in found.bins] == [(0.0, 20, 0.0), (0.9, 20, 1.0)]


def test_a_verifier_that_believes_everything_is_seen_through(output: Path) -> None:
    found = evaluate_verifier(str(output), EVERY_SILENCE, ScriptedClient(lambda claim, silent: 0.9), 20, 0)
    everything = found.scores[0]
    assert (everything.accuracy, everything.auc) == (0.5, 0.5)
    assert everything.confirmed_swapped == 1.0
    assert everything.ece == pytest.approx(0.4)
    assert found.believed_in_silence == 1.0


def test_a_verifier_that_always_says_yes_disagrees_with_itself(output: Path) -> None:
    found = evaluate_verifier(
        str(output), VerifierConfig(), ScriptedClient(lambda claim, silent: 0.5, leans=0.45), 20, 0
    )
    everything = found.scores[0]
    assert everything.disagreement == pytest.approx(0.9)
    assert everything.confirmed_own == everything.dropped_own == 0.0


def test_figures_are_told_by_branch_and_class(output: Path) -> None:
    found = evaluate_verifier(str(output), VerifierConfig(), Knowing(), 20, 0)
    assert [scores.group for scores in found.scores] == ["all", "branch scene", "class animal"]


def test_what_the_server_cannot_answer_is_counted(output: Path) -> None:
    def fails(question: Question) -> AnnotationError | None:
        return AnnotationError("refused_by_server", "") if "Sound a " in question.text else None

    found = evaluate_verifier(str(output), EVERY_SILENCE, Knowing(fails=fails), 26, 0)
    assert 0 < found.failed == 52 - found.scores[0].trials


def test_trials_are_half_own_and_half_of_other_recordings_and_the_same_each_time() -> None:
    rows = a_corpus()
    captions = [caption for _, caption in rows.values()]
    segments = {segment.segment_id: segment for segment, _ in rows.values()}
    trials = trials_of(captions, segments, 0)
    assert Counter(trial.is_own for trial in trials) == {True: 26, False: 26}
    own = {caption.segment_id: caption.caption for caption in captions}
    assert all((own[trial.segment_id] == trial.text) is trial.is_own for trial in trials)
    assert trials == trials_of(captions, segments, 0)
    assert trials != trials_of(captions, segments, 1)


def test_a_claim_is_never_swapped_for_the_same_words_or_within_a_recording() -> None:
    first, second, third = a_told_segment("a", 0), a_told_segment("a", 1), a_told_segment("b", 0)
    captions = [
        a_told_caption(first, "It barks."),
        a_told_caption(second, "It meows."),
        a_told_caption(third, "It barks."),
    ]
    segments = {one.segment_id: one for one in (first, second, third)}
    swapped = {(trial.segment_id, trial.text) for trial in trials_of(captions, segments, 0) if not trial.is_own}
    assert swapped == {(second.segment_id, "It barks."), (third.segment_id, "It meows.")}


def test_a_corpus_of_one_recording_cannot_be_swapped(tmp_path: Path) -> None:
    commit_corpus(tmp_path / "out", {"ant": ["A dog barks.", "A cat meows."]})
    with pytest.raises(SetupError, match="too few claims to swap"):
        evaluate_verifier(str(tmp_path / "out"), VerifierConfig(), Knowing(), 20, 0)


def test_a_folder_without_captions_is_told_of(tmp_path: Path) -> None:
    prepare_output(str(tmp_path / "out"))
    with pytest.raises(SetupError, match="holds no corpus"):
        evaluate_verifier(str(tmp_path / "out"), VerifierConfig(), Knowing(), 20, 0)


def evaluate(output: Path, profile: str, *options: str, expect: int = 0) -> str:
    arguments = ["evaluate", "verifier", str(output), "--profile", profile, *options]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, arguments)
    assert result.exit_code == expect, result.output
    return result.output


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=40))
def test_figures_of_calibration_lie_in_their_bounds(pairs: list[tuple[float, bool]]) -> None:
    found = calibrate([p for p, _ in pairs], [truth for _, truth in pairs])
    assert found is not None
    assert sum(one.count for one in found.bins) == found.count == len(pairs)
    for value in (found.accuracy, found.brier, found.ece, found.auc):
        assert value is None or 0.0 <= value <= 1.0
    assert all(one.low - 1e-9 <= one.mean_probability <= one.high + 1e-9 for one in found.bins)


@given(st.lists(st.booleans(), min_size=2, max_size=30))
def test_a_rank_s_figure_is_what_counting_pairs_gives(truths: list[bool]) -> None:
    probabilities = [math.sin(3 * index) / 2 + 0.5 for index in range(len(truths))]
    found = calibrate(probabilities, truths)
    assert found is not None
    pairs = [
        1.0 if p > q else 0.5 if p == q else 0.0
        for p, own in zip(probabilities, truths, strict=True)
        for q, other in zip(probabilities, truths, strict=True)
        if own and not other
    ]
    assert found.auc == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def test_nothing_has_no_figures() -> None:
    assert calibrate([], []) is None


def test_the_command_asks_the_server_and_prints_what_came_of_it(output: Path, tmp_path: Path) -> None:
    def p_yes(asked: Asked) -> float:
        held = 0.9 if asked.text.split('"')[1] == f"Sound {NAME_OF.get(asked.audio[0], '-')} is heard." else 0.2
        return 1 - held if "false of this audio" in asked.text else held

    with ChatServer(Scripted(p_yes=p_yes)) as server:
        options = (
            "--set",
            f"captions.verifier={{server: {{urls: ['{server.url}'], model: judge}}}}",
            "--segments",
            "10",
        )
        said = evaluate(output, quick_profile(tmp_path), *options)
        assert server.count >= 40
    assert "claims about 10 segments, half of them swapped" in said
    assert "1.000" in said
    assert "0.9 to 1.0" in said
    assert "branch scene" in said


def test_without_a_verifier_the_command_says_how_to_name_one(output: Path, tmp_path: Path) -> None:
    assert "captions.verifier.server.model" in evaluate(output, quick_profile(tmp_path), expect=2)


def test_every_figure_has_its_column(output: Path) -> None:
    found = evaluate_verifier(str(output), EVERY_SILENCE, Knowing(), 5, 0)
    assert len(list(verifier_tables(found))) == 3
