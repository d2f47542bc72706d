"""Object stores (S3, Google Cloud Storage, Azure) through obstore: one client per bucket and process, few requests.

Credentials, regions and endpoints come from the stores' usual environment variables, such as AWS_ACCESS_KEY_ID and
AWS_ENDPOINT_URL, and for S3 also from Beam's options, such as `--s3_endpoint_url`. A file is written by one request and
appears whole; reading needs no question before it.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from soundseam.pipeline.storage.redact import redact_text, redact_uri
from soundseam.pipeline.storage.remote import COPY_BYTES, WHOLE_BYTES, FileStat, count_requests

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

PART_BYTES = 64 * 2**20
"""Larger files are uploaded in parts of this size."""
PARTS_AT_ONCE = 2
PAGE_FILES = 1000
"""Files per request of a listing."""
MAX_REASON = 300
"""Characters of an error that are shown."""
RETRY: RetryConfig = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
CLIENT: ClientConfig = {"connect_timeout": "5s", "read_timeout": "60s", "timeout": "1h"}

_SETTINGS = {
    "s3_access_key_id": "access_key_id",
    "s3_secret_access_key": "secret_access_key",
    "s3_session_token": "session_token",
    "s3_endpoint_url": "endpoint",
    "s3_region_name": "region",
}
"""Beam's options for S3 → obstore's."""
_settings: dict[str, str] = {}
_GLOB_PARTS = re.compile(r"(\*\*|\*|\?|\[!?\]?[^\]]*\])")


def use_settings(options: Mapping[str, object]) -> None:
    """Uses Beam's `options` for S3 instead of the environment."""
    _settings.clear()
    _settings.update({_SETTINGS[name]: str(value) for name, value in options.items() if name in _SETTINGS and value})
    _store.cache_clear()


class ObjectStoreFiles:
    """The files of all object stores."""

    def stat(self, uri: str) -> FileStat:
        store, key = _place(uri)
        with _errors(uri):
            count_requests("head")
            return _stat_of(obstore.head(store, key), uri)

    def exists(self, uri: str) -> bool:
        try:
            self.stat(uri)
        except FileNotFoundError:
            return False
        return True

    def is_file(self, uri: str) -> bool:
        return self.exists(uri)

    def list_under(self, folder: str) -> Iterator[FileStat]:
        store, key = _place(folder)
        root = folder.removesuffix(key)
        with _errors(folder):
            pages = obstore.list(store, key.rstrip("/") or None, chunk_size=PAGE_FILES)
            count_requests("list")
            for index, page in enumerate(pages):
                if index:
                    count_requests("list")
                for found in page:
                    yield _stat_of(found, root + found["path"])

    def match(self, pattern: str) -> Iterator[FileStat]:
        parts = _GLOB_PARTS.split(pattern)
        matches = re.compile("".join(_regex_of(part) for part in parts), re.DOTALL).fullmatch
        return (stat for stat in self.list_under(parts[0].rpartition("/")[0] + "/") if matches(stat.uri))

    @contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        found = self._get(uri)
        with _errors(uri):
            if found.meta["size"] <= WHOLE_BYTES:
                whole = io.BytesIO(found.bytes())
                del found
                yield whole
                return
        reader = _Ranges(uri, found.meta["size"])
        del found  # and with it the connection
        with io.BufferedReader(reader, 2**20) as file:
            yield cast(BinaryIO, file)

    def chunks(self, uri: str) -> Iterator[bytes]:
        found = self._get(uri)
        with _errors(uri):
            yield from found.stream(COPY_BYTES)

    def write(self, source: bytes | Path, uri: str) -> str:
        store, key = _place(uri)
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        with _errors(uri):
            # Of parts, one request begins the upload and one ends it.
            count_requests("put", 1 if size <= PART_BYTES else 2 - (-size // PART_BYTES))
            written = obstore.put(store, key, source, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        return written["e_tag"] or ""

    def delete(self, uris: Iterable[str]) -> None:
        by_bucket: dict[str, list[str]] = {}
        for uri in uris:
            by_bucket.setdefault(_bucket_of(uri), []).append(uri)
        for members in by_bucket.values():
            for start in range(0, len(members), PAGE_FILES):
                page = members[start : start + PAGE_FILES]
                with _errors(page[0], missing_is_error=False):
                    count_requests("delete")
                    obstore.delete(_place(page[0])[0], [_place(uri)[1] for uri in page])

    def _get(self, uri: str) -> GetResult:
        store, key = _place(uri)
        with _errors(uri):
            count_requests("get")
            return obstore.get(store, key)


class _Ranges(io.RawIOBase):
    """A large file, of which only the ranges that are asked for are read."""

    def __init__(self, uri: str, size: int) -> None:
        self._uri, self._size, self._at = uri, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        end = min(self._at + len(view), self._size)
        if end <= self._at:
            return 0
        store, key = _place(self._uri)
        with _errors(self._uri):
            count_requests("get")
            data = obstore.get_range(store, key, start=self._at, end=end)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _bucket_of(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _place(uri: str) -> tuple[ObjectStore, str]:
    """The store of a URI, and the key in it."""
    bucket = _bucket_of(uri)
    with _errors(uri):
        return _store(bucket), uri[len(bucket) + 1 :]


@cache
def _store(bucket: str) -> ObjectStore:
    """One client per bucket and process."""
    if not bucket.startswith("s3"):
        return from_url(bucket, client_options=CLIENT, retry_config=RETRY)
    endpoint = _settings.get("endpoint") or next(
        (
            value
            for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
            if (value := os.environ.get(name))
        ),
        "",
    )
    # An address that begins with http:// says itself that the connection is to be plain.
    client: ClientConfig = {**CLIENT, "allow_http": endpoint.startswith("http://")}
    return from_url(bucket, config=cast("S3Config", _settings), client_options=client, retry_config=RETRY)


def _stat_of(found: ObjectMeta, uri: str) -> FileStat:
    return FileStat(uri, found["size"], found["last_modified"].timestamp(), found["e_tag"] or "")


def _regex_of(part: str) -> str:
    if part in ("**", "*", "?"):
        return {"**": ".*", "*": "[^/]*", "?": "[^/]"}[part]
    if not _GLOB_PARTS.fullmatch(part):
        return re.escape(part)
    negated = part[1] == "!"
    members = re.escape(part[1 + negated : -1]).replace(r"\-", "-")
    return f"[^/{members}]" if negated else f"[{members}]"


@contextmanager
def _errors(uri: str, missing_is_error: bool = True) -> Iterator[None]:
    """Errors become OSErrors of one line, without secrets."""
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        if missing_is_error:
            raise FileNotFoundError(f"{redact_uri(uri)} does not exist") from None
    except (BaseError, ValueError) as error:  # ValueError: a key that the client does not accept
        reason = _reason(error, uri)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or _REFUSED.search(str(error)):
            message = f"{redact_uri(uri)}: access was refused: check the credentials and their rights ({reason})"
            raise PermissionError(message) from None
        raise OSError(f"{redact_uri(uri)}: {reason}") from None


_REFUSED = re.compile(r"status code: 40[13]\b|<Code>(ExpiredToken|TokenRefreshRequired|RequestExpired)</Code>")
"""How a refusal reads that the client does not take for one: of a listing, or of credentials that have expired."""
_STATUS = re.compile(r"status code: (40[13] \w+)")
_SERVERS_WORDS = re.compile(r"<Code>([^<]{1,80})</Code>\s*<Message>([^<]{1,300})</Message>")


def _reason(error: Exception, uri: str) -> str:
    """What the server says, else the beginning of an error; what follows repeats it for programmers."""
    if found := _SERVERS_WORDS.search(str(error)):
        return redact_text(f"{found[1]}: {found[2]}", uri)
    if found := _STATUS.search(str(error)):  # of HEAD, whose answer has no body
        return f"HTTP {found[1]}"
    return redact_text(" ".join(str(error).partition("\n\n")[0].split())[:MAX_REASON], uri)
