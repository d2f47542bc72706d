"""OUT/_run/answers: a cache of answers from model servers, so that a rerun asks nothing twice.

One folder per shard, with pieces that are written atomically and never changed. A piece has the answers about some
recordings and is named `<first>-<last>-<random>.jsonl.gz` after the first and last of them, so that the answers about a
recording are found without reading the rest. The folder may be deleted at any time: its questions are then asked again.
"""

from __future__ import annotations

import gzip
import logging
import re
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from soundseam.annotators.chat.questions import Answer
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, read_layout, shard_of
from soundseam.schemas.record import Record

ANSWERS_FOLDER = "answers"
PIECE_ANSWERS = 512
PIECE_BYTES = 2**20
PIECE_AGE_S = 30.0
"""A piece is written when either limit is reached: at most this much is lost if a worker is killed."""
PIECES_IN_MEMORY = 16
RECORDINGS_IN_MEMORY = 4
_PIECE = re.compile(r"([0-9a-f]{8})-([0-9a-f]{8})-[0-9a-f]{32}\.jsonl\.gz")
_LOGGER = logging.getLogger(__name__)


class CachedAnswer(Record):
    """One line of a piece."""

    about: str
    key: str
    answer: Answer


Kept = Mapping[str, Answer]
"""key → answer, of one recording."""


class AnswerCacheFiles:
    """An `AnswerCache` in OUT, for one stream of questions; those about one recording should be consecutive.

    Memory holds the answers about a few recordings and a few pieces. Leaving the block writes the rest.
    """

    def __init__(self, output: str) -> None:
        self._output = output
        self._shards = read_layout(output).shards
        self._pieces: dict[int, _Pieces] = {}
        self._recordings: OrderedDict[str, Kept] = OrderedDict()
        self._unwritten: dict[int, _Unwritten] = {}

    def __enter__(self) -> AnswerCacheFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.write()

    def find(self, about: str, key: str) -> Answer | None:
        if about not in self._recordings:
            self._recordings[about] = self._read(about)
            if len(self._recordings) > RECORDINGS_IN_MEMORY:
                self._recordings.popitem(last=False)
        self._recordings.move_to_end(about)
        return self._recordings[about].get(key)

    def keep(self, about: str, key: str, answer: Answer) -> None:
        shard = shard_of(about, self._shards)
        unwritten = self._unwritten.setdefault(shard, _Unwritten())
        unwritten.add(CachedAnswer(about=about, key=key, answer=answer))
        if unwritten.is_due():
            self._write_piece(shard)

    def write(self) -> None:
        """Writes the answers that are only in memory."""
        for shard in list(self._unwritten):
            self._write_piece(shard)

    def _read(self, about: str) -> Kept:
        shard = shard_of(about, self._shards)
        if shard not in self._pieces:
            self._pieces[shard] = _Pieces(self._folder(shard))
        return self._pieces[shard].read(about)

    def _write_piece(self, shard: int) -> None:
        name, data = self._unwritten.pop(shard).piece()
        files.write_atomically(files.join(self._folder(shard), name), data)

    def _folder(self, shard: int) -> str:
        return files.join(self._output, RUN_FOLDER, ANSWERS_FOLDER, f"{shard:04d}")


class _Unwritten:
    def __init__(self) -> None:
        self._lines: list[tuple[str, bytes]] = []
        self._size = 0
        self._begun_s = time.monotonic()

    def add(self, cached: CachedAnswer) -> None:
        line = cached.model_dump_json().encode()
        self._lines.append((cached.about, line))
        self._size += len(line)

    def is_due(self) -> bool:
        full = len(self._lines) >= PIECE_ANSWERS or self._size >= PIECE_BYTES
        return full or time.monotonic() - self._begun_s >= PIECE_AGE_S

    def piece(self) -> tuple[str, bytes]:
        """The name and the bytes of the piece."""
        about = [about for about, _ in self._lines]
        name = f"{min(about)[:8]}-{max(about)[:8]}-{uuid.uuid4().hex}.jsonl.gz"
        return name, gzip.compress(b"\n".join(line for _, line in self._lines), compresslevel=6)


class _Pieces:
    """The pieces of one shard, listed when it is first used."""

    def __init__(self, folder: str) -> None:
        found = [
            (match[1], match[2], stat.uri)
            for stat in files.list_files(folder)
            if (match := _PIECE.fullmatch(files.name_of(stat.uri)))
        ]
        self._first = _numbers(first for first, _, _ in found)
        self._last = _numbers(last for _, last, _ in found)
        self._uris = [uri for _, _, uri in found]
        self._parsed: OrderedDict[str, Mapping[str, Kept]] = OrderedDict()

    def read(self, about: str) -> Kept:
        number = int(about[:8], 16)
        known: dict[str, Answer] = {}
        for index in np.flatnonzero((self._first <= number) & (number <= self._last)):
            known.update(self._piece(self._uris[index]).get(about, {}))
        return known

    def _piece(self, uri: str) -> Mapping[str, Kept]:
        if uri not in self._parsed:
            self._parsed[uri] = _read_piece(uri)
            if len(self._parsed) > PIECES_IN_MEMORY:
                self._parsed.popitem(last=False)
        self._parsed.move_to_end(uri)
        return self._parsed[uri]


def _numbers(digits: Iterator[str]) -> NDArray[np.int64]:
    return np.array([int(digit, 16) for digit in digits], np.int64)


def _read_piece(uri: str) -> Mapping[str, Kept]:
    """recording → its answers. An unreadable piece counts as empty: its questions are asked again."""
    found: dict[str, dict[str, Answer]] = {}
    try:
        data = files.read_bytes(uri)
    except FileNotFoundError:
        return {}
    try:
        for line in gzip.decompress(data).splitlines():
            cached = CachedAnswer.model_validate_json(line)
            found.setdefault(cached.about, {})[cached.key] = cached.answer
    except (gzip.BadGzipFile, EOFError, zlib.error, ValidationError) as error:
        _LOGGER.warning(
            "the cached answers in %s cannot be read; their questions are asked again: %s", files.name_of(uri), error
        )
        return {}
    return found
