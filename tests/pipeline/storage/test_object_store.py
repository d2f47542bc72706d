"""Object stores, against a real server process."""

from __future__ import annotations

import hashlib
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from soundseam.pipeline.storage import files, object_cache, object_store, remote
from soundseam.pipeline.storage.commits import Commit, forget_written, new_commit, read_stages, written_commits
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.tables import FileEntry
from soundseam.schemas.recording import Rejected
from soundseam.schemas.tables import Table
from tests.support.s3 import REGION, S3Server

RECORDING = "ab" * 16


def rejected(detail: str) -> Rejected:
    return Rejected(recording_id=RECORDING, source_uri="a.wav", stage="decode", reason="truncated", detail=detail)


def commit_one(output: str, stage: str, detail: str = "short") -> Commit:
    commit = Commit(stage=stage, shard=3, covers=((RECORDING, "key"),), files=())
    with new_commit(output, commit) as writer:
        writer.append(Table.REJECTED, rejected(detail))
    return commit


def test_a_small_file_takes_one_request_to_write_and_one_to_read(bucket: str, server: S3Server) -> None:
    files.write_atomically(files.join(bucket, "x"), b"data")
    assert server.requests() == {"PUT": 1}
    assert files.read_bytes(files.join(bucket, "x")) == b"data"
    assert server.requests() == {"GET": 1}
    files.delete(files.join(bucket, name) for name in ("x", "y", "z"))
    assert server.requests() == {"POST": 1}
    assert remote.take_requests() == {"put": 1, "get": 1, "delete": 1}
    assert remote.take_requests() == {}


def test_of_a_large_file_only_what_is_asked_for_is_read(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "WHOLE_BYTES", 1000)
    data = os.urandom(300_000)
    path = tmp_path / "large"
    path.write_bytes(data)
    uri = files.join(bucket, "large")
    files.publish(path, uri)
    with files.open_read(uri) as file:
        assert file.seek(-10, os.SEEK_END) == len(data) - 10
        assert file.read() == data[-10:]
        file.seek(5)
        assert file.read(7) == data[5:12]
        assert file.read() == data[12:]
    assert files.sha256_of(uri) == hashlib.sha256(data).hexdigest()
    with files.local_copy(uri) as copy:
        assert copy.read_bytes() == data


def test_a_file_over_the_size_of_a_part_is_uploaded_in_parts(
    bucket: str, tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "PART_BYTES", 5 * 2**20)
    data = os.urandom(5 * 2**20 + 10)
    path = tmp_path / "parts"
    path.write_bytes(data)
    files.publish(path, files.join(bucket, "parts"))
    assert server.requests().total() == remote.take_requests()["put"] == 4
    assert files.read_bytes(files.join(bucket, "parts")) == data


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.wav", ["a.wav"]),
        ("**.wav", ["a.wav", "deep/down/c.wav", "deep/e.wav"]),
        ("deep/*", ["deep/d.mp3", "deep/e.wav"]),
        ("?.wav", ["a.wav"]),
        ("deep/[a-d].mp3", ["deep/d.mp3"]),
        ("deep/[!a-d].*", ["deep/e.wav"]),
        ("[b]*", ["b[1].flac"]),
        ("b[[]1].flac", ["b[1].flac"]),
    ],
)
def test_globs_find_what_they_describe(bucket: str, pattern: str, found: list[str]) -> None:
    for name in ("a.wav", "b[1].flac", "deep/down/c.wav", "deep/d.mp3", "deep/e.wav"):
        files.write_atomically(files.join(bucket, name), b"")
    assert [files.relative_to(stat.uri, bucket) for stat in files.match_files(f"{bucket}/{pattern}")] == found


def test_credentials_and_the_address_may_come_from_options(
    bucket: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    object_store.use_settings(
        {
            "s3_access_key_id": "key",
            "s3_secret_access_key": "secret",
            "s3_region_name": REGION,
            "s3_endpoint_url": server.url,
            "runner": "DirectRunner",
        }
    )
    files.write_atomically(files.join(bucket, "x"), b"data")
    assert files.exists(files.join(bucket, "x"))


def test_a_store_that_is_away_is_one_line_without_secrets(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "RETRY", {"max_retries": 0})
    object_store.use_settings({"s3_endpoint_url": "http://127.0.0.1:9", "s3_secret_access_key": "very-secret"})
    with pytest.raises(OSError, match=r"127\.0\.0\.1:9") as caught:
        files.read_bytes(files.join(bucket, "x"))
    assert "\n" not in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_a_bucket_that_is_not_there_says_so(bucket: str) -> None:
    with pytest.raises(OSError, match="NoSuchBucket"):
        files.list_files("s3://soundseam-nowhere/raw")
    with pytest.raises(FileNotFoundError, match="s3://soundseam-nowhere/raw/x"):
        files.read_bytes("s3://soundseam-nowhere/raw/x")


def test_credentials_that_the_store_does_not_know_are_refused_in_one_line(bucket: str, server: S3Server) -> None:
    files.write_atomically(files.join(bucket, "x"), b"data")
    with server.checking_credentials():
        for ask in (files.read_bytes, files.list_files, lambda uri: files.write_atomically(uri, b"other")):
            with pytest.raises(PermissionError, match=r"check the credentials .* \(InvalidAccessKeyId: ") as caught:
                ask(files.join(bucket, "x"))
            assert "\n" not in str(caught.value)
    assert files.read_bytes(files.join(bucket, "x")) == b"data"


class Expired(BaseHTTPRequestHandler):
    """Answers as S3 does once a temporary credential is too old."""

    def do_GET(self) -> None:
        body = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET  # noqa: N815 - the name that the base class looks for

    def log_message(self, *_: object) -> None:
        """Nothing is to be printed."""


def test_expired_credentials_are_told_from_a_broken_store(bucket: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Expired) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            object_store.use_settings({"s3_endpoint_url": f"http://127.0.0.1:{server.server_port}"})
            for ask in (files.read_bytes, files.list_files, lambda uri: files.write_atomically(uri, b"data")):
                with pytest.raises(PermissionError, match=r"\(ExpiredToken: The provided token has expired\.\)"):
                    ask(files.join(bucket, "x"))
        finally:
            server.shutdown()
            thread.join()


def test_markers_are_listed_at_once_and_each_is_read_once(bucket: str, server: S3Server) -> None:
    stages = ["segments", "captions", "annotations/speech/voice"]
    for stage in stages:
        commit_one(bucket, stage)
    server.requests()
    first = read_stages(bucket, stages)
    assert server.requests() == {"LIST": 1}
    assert [[commit.covers for commit in first[stage]] for stage in stages] == [[((RECORDING, "key"),)]] * 3
    for path in (Path(os.environ["XDG_CACHE_HOME"]) / "soundseam" / "objects").iterdir():
        path.write_bytes(b"not a marker")
    assert read_stages(bucket, stages) == first
    assert server.requests() == {"LIST": 1, "GET": 3}


def test_a_marker_that_another_process_replaced_is_read_again(bucket: str) -> None:
    commit_one(bucket, "captions")
    (before,) = read_stages(bucket, ["captions"])["captions"]
    commit_one(bucket, "captions", "another length")
    (after,) = read_stages(bucket, ["captions"])["captions"]
    assert before.files != after.files
    assert [row["detail"] for row in Corpus.load(bucket, ["captions"]).rows(Table.REJECTED)] == ["another length"]


def test_a_worker_reads_what_it_has_written_without_asking(bucket: str, server: S3Server) -> None:
    commit_one(bucket, "captions")
    server.requests()
    corpus = Corpus.load_for(bucket, {"captions": {RECORDING: "key"}}, 3)
    assert [row["detail"] for row in corpus.rows(Table.REJECTED)] == ["short"]
    assert server.requests() == {}


@pytest.mark.parametrize("wanted", [{RECORDING: "another key"}, {"cd" * 16: "key", RECORDING: "key"}])
def test_what_a_worker_has_not_written_itself_is_looked_up(bucket: str, wanted: dict[str, str]) -> None:
    commit_one(bucket, "captions")
    assert written_commits(bucket, "captions", 3, wanted) is None
    assert written_commits(bucket, "captions", 4, {RECORDING: "key"}) is None
    forget_written()
    assert written_commits(bucket, "captions", 3, {RECORDING: "key"}) is None
    (found,) = Corpus.load_for(bucket, {"captions": wanted}, 3).commits["captions"]
    assert found.covers == ((RECORDING, "key"),)


def test_without_a_folder_for_copies_everything_is_read_from_the_store(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_the_way))
    commit_one(bucket, "captions")
    forget_written()
    assert [row["detail"] for row in Corpus.load(bucket, ["captions"]).rows(Table.REJECTED)] == ["short"]


def test_the_oldest_copies_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(object_cache, "MAX_BYTES", 100)
    monkeypatch.setattr(object_cache, "_SLACK_BYTES", 0)
    for number in range(12):
        object_cache.remember(str(number), bytes([number]) * 10)
        folder = tmp_path / "soundseam" / "objects"
        newest = max(folder.iterdir(), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, (number, number))
    found = [
        number
        for number in range(12)
        if (copy := object_cache.recall(str(number))) and copy.read() and not copy.close()
    ]
    assert found[-1] == 11
    assert found == list(range(found[0], 12))
    assert len(found) < 12


def test_a_file_too_large_for_the_cache_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(object_cache, "MAX_FILE_BYTES", 3)
    object_cache.remember("small", b"123")
    object_cache.remember("large", b"1234")
    assert object_cache.recall("large") is None
    copy = object_cache.recall("small")
    assert copy is not None
    with copy:
        assert copy.read() == b"123"


def test_an_entry_names_the_content_of_a_file(bucket: str) -> None:
    commit_one(bucket, "captions")
    (commit,) = read_stages(bucket, ["captions"])["captions"]
    (entry,) = commit.files
    assert isinstance(entry, FileEntry)
    assert files.sha256_of(files.join(bucket, entry.table, entry.name)) == entry.sha256
