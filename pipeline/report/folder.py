"""The static folder: the page's own files, its data as script files, audio and pictures beside it.

A page that is opened from disk may load scripts, pictures and audio but may not fetch: data comes as calls of
`soundseam.receive(name, value)`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path

from pipeline.errors import SetupError
from schemas.record import Record

PAGE_FILES = {
    "page.html": "index.html",
    "page.css": "page.css",
    "page.js": "page.js",
    "overview.js": "overview.js",
    "browser.js": "browser.js",
    "detail.js": "detail.js",
}
"""File of this package → its name in the report."""
MARK = "soundseam-report.json"
DETAILS_A_CHUNK = 16
ITEMS_A_CHUNK = 500


class ReportFolder:
    """A report on its way to `target`: written beside it, moved there whole by `finish`."""

    def __init__(self, target: Path) -> None:
        if target.exists() and not (target / MARK).is_file() and (target.is_file() or any(target.iterdir())):
            raise SetupError(f"{target} exists and is no report: choose another --to")
        self.target = target
        self._folder = target.parent / f".tmp-report-{target.name}"
        self._details: list[Record] = []
        self._chunks = 0
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "data").mkdir(parents=True)
        (self._folder / "media").mkdir()

    def add_media(self, name: str, data: bytes) -> str:
        """Writes a file that the page shows or plays; returns its path from the page."""
        (self._folder / "media" / name).write_bytes(data)
        return f"media/{name}"

    @property
    def next_place(self) -> tuple[int, int]:
        """(chunk, place) of the next detail."""
        return self._chunks, len(self._details)

    def add_detail(self, detail: Record) -> None:
        self._details.append(detail)
        if len(self._details) == DETAILS_A_CHUNK:
            self._flush_details()

    def _flush_details(self) -> None:
        if self._details:
            self._write_data(f"detail-{self._chunks}", [_json_of(detail) for detail in self._details])
            self._chunks += 1
            self._details = []

    def write_items(self, items: Sequence[Record]) -> int:
        """Writes the list; returns its number of chunks."""
        starts = range(0, len(items), ITEMS_A_CHUNK)
        for chunk, start in enumerate(starts):
            rows = [_json_of(item) for item in items[start : start + ITEMS_A_CHUNK]]
            self._write_data(f"list-{chunk}", rows)
        return len(starts)

    def finish(self, summary: Record) -> None:
        """Writes what is left, then puts the report in the place of an earlier one."""
        self._flush_details()
        self._write_data("summary", _json_of(summary))
        for source, name in PAGE_FILES.items():
            content = package_files("pipeline.report").joinpath(source).read_bytes()
            (self._folder / name).write_bytes(content)
        (self._folder / MARK).write_text('{"kind": "soundseam report"}\n', encoding="utf-8")
        earlier = self._folder.with_name(f"{self._folder.name}-earlier")
        shutil.rmtree(earlier, ignore_errors=True)
        if self.target.exists():
            self.target.rename(earlier)
        self._folder.rename(self.target)
        shutil.rmtree(earlier, ignore_errors=True)

    def abandon(self) -> None:
        """Removes what was written, after a failure."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_data(self, name: str, value: object) -> None:
        (self._folder / "data" / f"{name}.js").write_text(script_of(name, value), encoding="utf-8")


def script_of(name: str, value: object) -> str:
    """A script that hands `value` to the page: ASCII, and without a `<`, so that it can end no element."""
    return f"soundseam.receive({json.dumps(name)},{json.dumps(value, separators=(',', ':'))});\n".replace(
        "<", "\\u003c"
    )


def _json_of(record: Record) -> object:
    return record.model_dump(mode="json")
