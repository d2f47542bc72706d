"""Marks, training samples and accessibility of the report in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soundseam.pipeline.filters.marks import Decision, read_marks
from soundseam.pipeline.report.launch import ReportRequest, make_report
from tests.pipeline.report.corpora import SENTENCES, make_corpus
from tests.pipeline.report.pages import choose, opened, shown
from tests.pipeline.sft.builders import CONFIG, a_rich_recording
from tests.pipeline.sft.corpora import build_samples, commit_corpus

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(ReportRequest(output=str(make_corpus(tmp_path_factory.mktemp("out"))), title="A corpus")).page


@pytest.fixture
def page(chromium: Browser, report: Path) -> Iterator[Page]:
    with opened(chromium, report, "browse") as page:
        page.wait_for_selector("#play")
        yield page


def test_marks_stay_in_the_browser_and_are_saved_as_csv_that_filter_reads(
    chromium: Browser, report: Path, tmp_path: Path
) -> None:
    with opened(chromium, report, "browse") as page:
        page.wait_for_selector("#play")
        assert not page.locator("#marks").is_visible()
        page.keyboard.press("r")
        page.keyboard.press("c")
        page.keyboard.type('too long, "really"')
        page.keyboard.press("Enter")
        page.keyboard.press("j")
        page.wait_for_selector(".ticks")
        for key in "rra":
            page.keyboard.press(key)
        page.reload()
        page.wait_for_selector("#play")
        assert page.locator("#marked").inner_text() == "2 marked"
        assert page.locator("#accept").get_attribute("aria-pressed") == "true"
        choose(page, "mark", "rejected")
        assert shown(page) == [" ".join(SENTENCES)]
        page.wait_for_selector(".words")
        assert page.input_value("#comment") == 'too long, "really"'
        with page.expect_download() as download:
            page.click("#save-marks")
        download.value.save_as(tmp_path / "marks.csv")
        assert download.value.suggested_filename == "marks.csv"
    assert [(mark.mark, mark.comment) for mark in read_marks(str(tmp_path / "marks.csv")).values()] == [
        (Decision.REJECT, 'too long, "really"'),
        (Decision.ACCEPT, ""),
    ]


def test_what_is_not_a_segment_cannot_be_marked(page: Page) -> None:
    choose(page, "reject", "truncated")
    page.wait_for_selector(".rejects")
    page.keyboard.press("a")
    assert page.locator(".marking").count() == 0
    assert not page.locator("#marks").is_visible()


def test_training_samples_are_shown_under_the_caption(chromium: Browser, tmp_path: Path) -> None:
    commit_corpus(tmp_path, [a_rich_recording()])
    build_samples(tmp_path, CONFIG)
    made = make_report(ReportRequest(output=str(tmp_path)))
    with opened(chromium, made.page, "browse") as page:
        page.locator(".samples summary", has_text="Training samples (").click()
        assert page.locator(".samples dt").count() > 3
        assert page.locator(".samples dd[lang=en]").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(chromium: Browser, report: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    for view in ("overview", "browse"):
        with opened(chromium, report, view, scheme=scheme, bypass_csp=True) as page:
            if view == "browse":
                page.wait_for_selector("#play")
                page.keyboard.press("a")
            page.evaluate(axe.AXE_SCRIPT)
            found = page.evaluate("axe.run({ preload: false })")  # it cannot fetch the style sheet from disk
            seen = [f"{one['id']}: {node['html'][:90]}" for one in found["violations"] for node in one["nodes"]]
            assert not seen
            assert len(found["passes"]) > 15
