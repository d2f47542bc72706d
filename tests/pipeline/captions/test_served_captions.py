"""Captions written and verified by models behind servers, in the one graph, over the real protocol."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soundseam.annotators.prompts import CAPTIONS
from soundseam.pipeline.config import RunConfig, SetupError, available, load_config
from soundseam.pipeline.input.sources import list_sources
from soundseam.pipeline.local.progress import ProgressLog, Step
from soundseam.pipeline.plan import Plan, plan_run, stage_keys, wanted_keys
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.graph import run_graph
from soundseam.pipeline.storage.commits import prepare_output
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import CAPTIONS_STAGE
from tests.support.chat_models import Scripted
from tests.support.chat_server import Asked, ChatServer, Fault
from tests.support.corpora import QUICK_PROFILE, Row, copy_samples, rows_of
from tests.support.tiny_clap import clap_folder

NAMES = ("speech-circuits-busy.wav", "speech-phone-menu.flac", "sound-trash.wav")
VERIFIER = """
captions:
  verifier:
    server: {{urls: ["{url}"], model: judge, outage_s: 2, attempts: 2}}
    silence_share: 1.0
"""
WRITER = """
captions:
  composer: writer
  writer:
    grammar_if_refused: true
    server: {{urls: ["{url}"], model: author, revision: r7, outage_s: 2}}
"""


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_samples(tmp_path_factory.mktemp("few"), *NAMES)


@pytest.fixture(scope="session")
def grammar_corpus(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments, annotations, and captions by the grammar."""
    folder = tmp_path_factory.mktemp("grammar")
    config = configured(folder, "")
    run(recordings, folder / "out", config)
    return folder / "out"


@pytest.fixture
def output(grammar_corpus: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(grammar_corpus, tmp_path / "out"))


def configured(folder: Path, captions: str) -> RunConfig:
    path = folder / "served.yaml"
    path.write_text(QUICK_PROFILE + captions)
    return load_config(str(path))


def plan_of(inputs: Path, output: Path, config: RunConfig) -> Plan:
    sources = list_sources([str(inputs)], None).sources
    corpus = Corpus.load_present(str(output), list(stage_keys(config)))
    return plan_run(sources, config, corpus, prepare_output(str(output)))


def run(inputs: Path, output: Path, config: RunConfig, progress: ProgressLog | None = None) -> None:
    run_graph(plan_of(inputs, output, config).tasks, RunContext(str(output), progress or ProgressLog(), config=config))
    sweep(str(output), wanted_keys(config, list_sources([str(inputs)], None).sources))


def judging(holds: Callable[[str], float], silent: float = 0.05) -> Callable[[Asked], float]:
    """P(yes) of a model that holds claims as told, whichever way it is asked, and in silence all alike."""
    denial = CAPTIONS.text("deny", "en").splitlines()[-1]

    def p_yes(asked: Asked) -> float:
        claim = asked.text.split('"')[1]
        # Silence is packed to next to nothing.
        held = silent if len(asked.audio[0]) < 20_000 and is_digital_silence(asked.audio[0]) else holds(claim)
        return 1 - held if denial in asked.text else held

    return p_yes


def is_digital_silence(flac: bytes) -> bool:
    import io

    import soundfile

    return not soundfile.read(io.BytesIO(flac))[0].any()


@pytest.fixture
def judge() -> Iterator[ChatServer]:
    with ChatServer(Scripted(p_yes=judging(lambda claim: 0.97))) as server:
        yield server


def settled(output: Path) -> Counter[str]:
    """How often each segment stands as captioned or, at the stage captions, as rejected."""
    rows = [row for row in rows_of(output, "rejected") if row["stage"] == CAPTIONS_STAGE] + rows_of(output, "captions")
    return Counter(str(row["segment_id"]) for row in rows)


def claims_of(row: Row) -> list[Row]:
    claims = row["claims"]
    assert isinstance(claims, list)
    return claims


def test_every_claim_of_a_corpus_is_verified_and_only_captions_are_made_again(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    config = configured(tmp_path, VERIFIER.format(url=judge.url))
    before = {str(row["segment_id"]): row["caption"] for row in rows_of(output, "captions")}
    todo = {stage.stage for stage in plan_of(recordings, output, config).stages if stage.todo}
    assert todo == {CAPTIONS_STAGE}
    run(recordings, output, config)
    rows = rows_of(output, "captions")
    assert {str(row["segment_id"]): row["caption"] for row in rows} == before
    assert all(row["verified"] is True for row in rows)
    assert {claim["verdict"] for row in rows for claim in claims_of(row)} == {"confirmed"}
    assert [claim["probability"] for row in rows for claim in claims_of(row)] == pytest.approx(
        [0.97] * sum(len(claims_of(row)) for row in rows)
    )
    assert {check["silence"] is None for row in rows for check in row["checks"]} == {False}  # type: ignore[attr-defined]
    assert plan_of(recordings, output, config).is_empty


def test_what_is_dropped_stays_in_its_row_and_out_of_its_caption(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    judge.model = Scripted(p_yes=judging(lambda claim: 0.03 if "voice" in claim.lower() else 0.97))
    run(recordings, output, configured(tmp_path, VERIFIER.format(url=judge.url)))
    rows = rows_of(output, "captions")
    dropped = [claim for row in rows for claim in claims_of(row) if claim["verdict"] == "dropped"]
    assert dropped
    assert all("voice" in str(claim["text"]).lower() for claim in dropped)
    assert not [row for row in rows if "voice" in str(row["caption"]).lower()]


def test_a_caption_of_which_nothing_was_heard_is_rejected_with_its_claims(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    judge.model = Scripted(p_yes=judging(lambda claim: 0.03))
    every = settled(output)
    run(recordings, output, configured(tmp_path, VERIFIER.format(url=judge.url)))
    assert rows_of(output, "captions") == []
    rejected = [row for row in rows_of(output, "rejected") if row["stage"] == CAPTIONS_STAGE]
    assert {row["reason"] for row in rejected} == {"not_heard"}
    assert all("at 0.030" in str(row["detail"]) for row in rejected)
    assert settled(output) == every


def test_what_is_believed_in_silence_is_not_verified(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    judge.model = Scripted(p_yes=judging(lambda claim: 0.97, silent=0.9))
    run(recordings, output, configured(tmp_path, VERIFIER.format(url=judge.url)))
    rows = rows_of(output, "captions")
    assert all(row["verified"] is False for row in rows)
    assert {check["doubt"] for row in rows for check in row["checks"]} == {"believed_in_silence"}  # type: ignore[attr-defined]


def test_what_was_answered_is_not_asked_again(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    config = configured(tmp_path, VERIFIER.format(url=judge.url))
    run(recordings, output, config)
    rows, asked = rows_of(output, "captions"), judge.count
    shutil.rmtree(output / "_run" / "commits" / CAPTIONS_STAGE)
    run(recordings, output, config)
    assert judge.count == asked
    assert rows_of(output, "captions") == rows
    stricter = load_config(str(tmp_path / "served.yaml"), ["captions.verifier.confirm=0.98"])
    run(recordings, output, stricter)
    assert judge.count == asked
    assert {row["verified"] for row in rows_of(output, "captions")} == {False}


def test_another_address_makes_nothing_again_and_another_model_all_captions(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    run(recordings, output, configured(tmp_path, VERIFIER.format(url=judge.url)))
    moved = configured(tmp_path, VERIFIER.format(url="http://localhost:1/v1"))
    assert plan_of(recordings, output, moved).is_empty
    other = load_config(str(tmp_path / "served.yaml"), ["captions.verifier.server.revision=r2"])
    assert {stage.stage for stage in plan_of(recordings, output, other).stages if stage.todo} == {CAPTIONS_STAGE}


def test_every_segment_ends_once_as_captioned_or_rejected_whatever_fails(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    def faults(number: int, asked: Asked) -> Fault | None:
        if "Hardly anything" in asked.text or number % 23 == 5:
            return Fault(400)
        if number % 7 == 3:
            return [Fault(500), Fault(drop=True), Fault(429), Fault(half=True), Fault(body=b"{}")][number // 7 % 5]
        return None

    judge.faults = faults
    every = settled(output)
    run(recordings, output, configured(tmp_path, VERIFIER.format(url=judge.url)))
    assert settled(output) == every
    reasons = {row["reason"] for row in rows_of(output, "rejected") if row["stage"] == CAPTIONS_STAGE}
    assert "refused_by_server" in reasons
    assert rows_of(output, "captions")


def test_an_outage_ends_the_job_and_rejects_nothing(
    judge: ChatServer, recordings: Path, output: Path, tmp_path: Path
) -> None:
    config = configured(tmp_path, VERIFIER.format(url=judge.url))
    judge.stop()
    with pytest.raises(Exception, match="stayed away for 2 s"):
        run(recordings, output, config)
    assert [row for row in rows_of(output, "rejected") if row["stage"] == CAPTIONS_STAGE] == []


def test_steps_tell_what_captions_asked(judge: ChatServer, recordings: Path, output: Path, tmp_path: Path) -> None:
    log = tmp_path / "steps.jsonl"
    run(recordings, output, configured(tmp_path, VERIFIER.format(url=judge.url)), ProgressLog(path=str(log)))
    steps = [Step.model_validate_json(line) for line in log.read_text().splitlines()]
    done = [step for step in steps if step.stage == CAPTIONS_STAGE and step.state == "done"]
    assert sum(step.usage.requests for step in done) == judge.count > 0
    assert {name for step in done for name in step.recording_ids} == {
        str(row["recording_id"]) for row in rows_of(output, "captions")
    }


def author(asked: Asked) -> str:
    """Says something of speech, and of other sound what no evidence holds."""
    first = json.loads(asked.text.split("\n\n")[0])["evidence"][0]
    if "sound" in first["says"]:
        return json.dumps({"claims": [{"text": "nine bells ring", "evidence": ["e1"]}]})
    return json.dumps({"claims": [{"text": "this is heard first", "evidence": [first["id"]]}]})


def test_a_writer_s_captions_are_kept_if_they_hold_and_are_the_grammar_s_if_they_do_not(
    recordings: Path, output: Path, tmp_path: Path
) -> None:
    every = settled(output)
    with ChatServer(Scripted(author)) as server:
        run(recordings, output, configured(tmp_path, WRITER.format(url=server.url)))
    rows = rows_of(output, "captions")
    rejected = [row for row in rows_of(output, "rejected") if row["stage"] == CAPTIONS_STAGE]
    assert set(settled(output)) == set(every)
    by_composer = {str(row["segment_id"]): row["composer"] for row in rows}
    assert set(by_composer.values()) == {"author@r7", "grammar"}
    assert {row["caption"] for row in rows if row["composer"] != "grammar"} == {"This is heard first."}
    assert {by_composer[str(row["segment_id"])] for row in rejected} == {"grammar"}
    assert {row["reason"] for row in rejected} == {"unfounded_number", "unfounded_word"}
    assert rejected


def test_a_model_that_has_no_name_is_told_of_at_launch(tmp_path: Path) -> None:
    config = configured(tmp_path, "captions: {verifier: {confirm: 0.9}}")
    with pytest.raises(SetupError, match=r"captions\.verifier needs server\.model"):
        available(config)


def test_a_captioner_must_be_among_the_backends(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no branch has a backend 'moss'"):
        configured(tmp_path, "captions: {composer: captioner, captioner: moss}")


def test_how_near_each_caption_lies_to_its_sound_is_kept_where_a_clap_model_is_configured(
    recordings: Path, output: Path, tmp_path: Path
) -> None:
    before = {row["segment_id"]: row for row in rows_of(output, "captions")}
    clap = clap_folder(tmp_path / "models")
    run(recordings, output, configured(tmp_path, f"captions:\n  clap: {{weights: {clap}, device: cpu}}\n"))
    after = {row["segment_id"]: row for row in rows_of(output, "captions")}
    assert {row["clap_similarity"] for row in before.values()} == {None}
    assert {name: row["caption"] for name, row in after.items()} == {n: row["caption"] for n, row in before.items()}
    similarities = [row["clap_similarity"] for row in after.values()]
    assert all(-1.0 <= similarity <= 1.0 for similarity in similarities)
    assert len(set(similarities)) > 1


def test_a_clap_model_that_cannot_be_had_is_named_before_anything_runs(tmp_path: Path) -> None:
    config = configured(tmp_path, "captions:\n  clap: {weights: m-a-p/MERT-v1-95M}\n")
    with pytest.raises(SetupError, match="allow_non_commercial"):
        available(config)
