"""Chapters of recordings in the report: over the waveform, and a click plays them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.launch import prepare_long, read_recording_captions, run_long
from soundseam.pipeline.report.launch import ReportRequest, make_report
from soundseam.pipeline.sft.read import Marks
from tests.pipeline.report.pages import opened, wait
from tests.pipeline.sft.builders import a_rich_recording
from tests.pipeline.sft.corpora import Silent, commit_corpus

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = str(tmp_path_factory.mktemp("out"))
    commit_corpus(output, [a_rich_recording()])
    run_long(prepare_long(output, LongConfig(), Marks()), 1, Silent(), runner="InProcess")
    return make_report(ReportRequest(output=output)).page


def test_a_click_on_a_chapter_plays_its_segments(chromium: Browser, report: Path) -> None:
    with opened(chromium, report, "overview", bypass_csp=True) as page:
        (caption,) = read_recording_captions(str(report.parents[1]))
        assert page.locator(".chapter-list li").count() == len(caption.chapters)
        assert caption.long_summary.text in page.locator(".recording").inner_text()
        page.locator(".chapters .chapter").first.click()
        first = caption.chapters[0].segment_ids[0]
        assert page.locator(".chapter-list button").first.get_attribute("aria-pressed") == "true"
        wait(page, lambda: str(page.evaluate("chapterPlayer.audio.currentSrc")).endswith(f"media/{first}.flac"))
        page.locator(".chapter-list button").first.click()
        assert page.locator(".chapter-list [aria-pressed=true]").count() == 0


def test_axe_finds_no_violation_in_the_chapters(chromium: Browser, report: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    with opened(chromium, report, "overview", bypass_csp=True) as page:
        page.evaluate(axe.AXE_SCRIPT)
        assert page.evaluate("axe.run('#recordings-part', { preload: false })")["violations"] == []
