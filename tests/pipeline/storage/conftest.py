from __future__ import annotations

from collections.abc import Iterator

import pytest

from soundseam.pipeline.storage import object_store, remote
from soundseam.schemas.record import content_key
from tests.support.s3 import S3Server, s3_server


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="package")
def bucket_of_all(server: S3Server) -> str:
    return server.make_bucket("soundseam-tests")


@pytest.fixture
def bucket(
    server: S3Server, bucket_of_all: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A folder of its own in a bucket, which this process can open."""
    for name, value in server.environment(request.getfixturevalue("tmp_path") / "cache").items():
        monkeypatch.setenv(name, value)
    object_store.use_settings({})
    server.requests()
    remote.take_requests()
    yield f"{bucket_of_all}/{content_key(request.node.nodeid)}"
    object_store.use_settings({})
