"""The whole chain through the command line, undisturbed and disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from soundseam.annotators.base import Backend, Clip
from soundseam.pipeline.config import load_config
from soundseam.pipeline.launch import Launch, RunRequest, prepare_with
from soundseam.pipeline.local.meter import Reading
from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts
from tests.support.corpora import (
    children_of,
    copy_samples,
    files_of,
    quick_profile,
    rows_of,
    run_cli,
    start_cli,
    tables_of,
    wait_until,
)

NAMES = (
    "meeting.flac",
    "sound-bell.flac",
    "sound-camera-shutter.flac",
    "sound-power-plug.wav",
    "speech-circuits-busy.wav",
    "speech-congratulations.opus",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs, profile, and `out`: what an undisturbed run made of them."""
    folder = tmp_path_factory.mktemp("end-to-end")
    copy_samples(folder / "inputs", *NAMES)
    quick_profile(folder)
    run_cli(*run_into(folder, "out"))
    return folder


def run_into(folder: Path, output: str, *options: str, inputs: str = "inputs") -> list[str | Path]:
    return ["run", folder / inputs, "--output", folder / output, "--profile", quick_profile(folder), *options]


def test_every_segment_has_a_caption_and_rows_of_its_branches(folder: Path) -> None:
    segments = rows_of(folder / "out", "segments")
    captions = {row["segment_id"]: row for row in rows_of(folder / "out", "captions")}
    assert len(segments) > len(NAMES)
    assert {row["segment_id"] for row in segments} == set(captions)
    for branch, backends in {"speech": {"voice", "speech_caption"}, "general": {"events", "general_caption"}}.items():
        annotated = {(row["segment_id"], row["backend"]) for row in rows_of(folder / "out", f"annotations/{branch}")}
        assert annotated == {
            (row["segment_id"], backend)
            for row in segments
            if branch in row["branches"]  # type: ignore[operator]
            for backend in backends
        }


def test_a_rerun_does_nothing_and_says_so(folder: Path) -> None:
    before = files_of(folder / "out")
    assert "Nothing to do" in run_cli(*run_into(folder, "out"))
    assert files_of(folder / "out") == before


def test_the_number_of_workers_changes_no_row(folder: Path) -> None:
    run_cli(*run_into(folder, "out-one-worker", "--workers", "1"))
    assert tables_of(folder / "out-one-worker") == tables_of(folder / "out")


def test_a_run_that_was_killed_is_finished_by_the_same_command(folder: Path) -> None:
    output = folder / "out-killed"
    process = start_cli(*run_into(folder, "out-killed", "--workers", "1"))
    wait_until(lambda: has_commits(output, "segments"))
    workers = children_of(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert len(rows_of(output, "captions")) < len(rows_of(folder / "out", "captions"))
    run_cli(*run_into(folder, "out-killed"))
    assert tables_of(output) == tables_of(folder / "out")


def test_a_killed_worker_costs_no_row(folder: Path) -> None:
    output = folder / "out-worker-killed"
    process = start_cli(*run_into(folder, "out-worker-killed"))
    wait_until(lambda: has_commits(output, "segments"))
    for pid in children_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    finish(process)
    assert tables_of(output) == tables_of(folder / "out")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_leaves_no_process_and_says_how_to_go_on(
    folder: Path, number: signal.Signals, code: int
) -> None:
    output = f"out-{number.name}"
    process = start_cli(*run_into(folder, output))
    wait_until(lambda: has_commits(folder / output, "list") and bool(children_of(process.pid)))
    workers = children_of(process.pid)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "the same command resumes" in errors
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_second_run_into_the_same_folder_has_to_wait(folder: Path) -> None:
    process = start_cli(*run_into(folder, "out-twice"))
    wait_until(lambda: has_commits(folder / "out-twice", "list"))
    assert "another run is writing" in run_cli(*run_into(folder, "out-twice"), expect=2)
    finish(process)


def test_parts_beside_each_other_and_the_command_after_them_give_the_rows_of_one_run(folder: Path) -> None:
    output = folder / "out-parts"
    first, second = (start_cli(*run_into(folder, "out-parts", "--workers", "1", "--part", f"{k}/2")) for k in (1, 2))
    wait_until(lambda: has_commits(output, "segments"))
    assert "another run is writing" in run_cli(*run_into(folder, "out-parts"), expect=2)
    first.kill()
    first.communicate()
    assert "Part 2/2: " in finish(second)
    assert "Part 1/2: " in run_cli(*run_into(folder, "out-parts", "--workers", "1", "--part", "1/2"))
    assert "Nothing to do" in run_cli(*run_into(folder, "out-parts"))
    assert tables_of(output) == tables_of(folder / "out")


def test_another_configuration_recomputes_only_what_it_affects(folder: Path) -> None:
    output = folder / "out-reconfigured"
    run_cli(*run_into(folder, "out-reconfigured"))
    before = files_of(output)
    shown = run_cli(*run_into(folder, "out-reconfigured", "--set", "captions.sentences=1"))
    assert "another configuration" in shown
    changed = {name.rpartition("/")[0] for name, when in files_of(output).items() if before.get(name) != when}
    assert changed == {"captions"} | {name for name in changed if name.startswith("_run/commits/captions")}
    assert len(rows_of(output, "captions")) == len(rows_of(folder / "out", "captions"))


def test_bad_files_change_no_row_of_the_others(folder: Path) -> None:
    copy_samples(folder / "mixed", *NAMES)
    bad = {
        "empty.wav": b"",
        "text.wav": b"this is no audio" * 100,
        "truncated.flac": (folder / "inputs" / "meeting.flac").read_bytes()[:100_000],
        f"{'ü' * 100}.mp3": b"\xff\xfb\x90" + bytes(500),
    }
    for name, data in bad.items():
        (folder / "mixed" / name).write_bytes(data)
    output = folder / "out-mixed"
    run_cli(*run_into(folder, "out-mixed", inputs="mixed"))
    rejected = {Path(str(row["source_uri"])).name for row in rows_of(output, "rejected")}
    assert rejected >= set(bad) - {"truncated.flac"}
    good = {row["recording_id"] for row in rows_of(folder / "out", "recordings")}
    for table, rows in tables_of(folder / "out").items():
        if table != "rejected":
            same = [row for row in rows_of(output, table) if row["recording_id"] in good]
            assert without_uri(same) == without_uri(rows)


def test_no_secret_of_a_uri_reaches_the_corpus_or_the_terminal(folder: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(
        f'{{"uri": "{folder}/inputs/sound-bell.flac"}}\n'
        '{"uri": "https://user:hunter2@host.invalid/a.flac?X-Amz-Signature=topsecret"}\n'
    )
    output = tmp_path / "out"
    shown = run_cli("run", manifest, "--output", output, "--profile", quick_profile(folder))
    assert len(rows_of(output, "rejected")) == 1
    written = b"".join(path.read_bytes() for path in output.rglob("*") if path.is_file())
    written += "".join(str(row) for row in rows_of(output, "rejected")).encode() + shown.encode()
    assert b"hunter2" not in written
    assert b"topsecret" not in written


class Lethal(Backend[GeneralFacts]):
    """A backend that ends or hangs its process at one recording."""

    kind: Literal["lethal"] = "lethal"
    branch: ClassVar[Branch] = Branch.GENERAL
    licence: ClassVar[str] = "Apache-2.0"
    recording_id: str
    hangs: bool

    @property
    def model(self) -> str:
        return "lethal"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Lethal:
        return self

    def annotate(self, clips: Sequence[Clip]) -> list[GeneralFacts]:
        if any(clip.segment.recording_id == self.recording_id for clip in clips):
            if self.hangs:
                signal.pause()
            os.abort()
        return [GeneralFacts() for _ in clips]


class Silent:
    def show(self, reading: Reading) -> None: ...

    def note(self, message: str) -> None: ...


@pytest.mark.parametrize(
    ("hangs", "reason", "stall_timeout_s"), [(False, "worker_crashed", 120.0), (True, "worker_stalled", 15.0)]
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_recording_that_takes_down_its_worker_twice_is_rejected_and_the_rest_is_done(
    folder: Path, hangs: bool, reason: str, stall_timeout_s: float
) -> None:
    inputs = copy_samples(folder / "few", "sound-bell.flac", "sound-camera-shutter.flac", "speech-circuits-busy.wav")
    culprit = sha256((inputs / "sound-bell.flac").read_bytes()).hexdigest()[:32]
    config = load_config(quick_profile(folder))
    lethal = Lethal(recording_id=culprit, hangs=hangs)
    branches = config.branches.model_copy(update={"general": (*config.branches.general, lethal)})
    output = folder / f"out-{reason}"
    request = RunRequest(inputs=(str(inputs),), output=str(output), workers=2, stall_timeout_s=stall_timeout_s)
    prepared = prepare_with(config.model_copy(update={"branches": branches}), request)
    summary = Launch(request, prepared, PipelineOptions([]), Silent()).run()
    assert summary.recordings_given_up == 1
    (rejected,) = rows_of(output, "rejected")
    lost_at = "annotations/general/lethal"
    assert (rejected["recording_id"], rejected["stage"], rejected["reason"]) == (culprit, lost_at, reason)
    segments = rows_of(output, "segments")
    assert len({row["recording_id"] for row in segments}) == 3
    assert {row["segment_id"] for row in rows_of(output, "captions")} == {row["segment_id"] for row in segments}
    annotated = rows_of(output, "annotations/general")
    lethal_rows = {row["recording_id"] for row in annotated if row["backend"] == "lethal"}
    assert lethal_rows == {row["recording_id"] for row in annotated} - {culprit}


def has_commits(output: Path, stage: str) -> bool:
    return any((output / "_run" / "commits" / stage).rglob("*.json"))


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    return output + errors


def without_uri(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "source_uri"} for row in rows]
