"""The report in a browser: it opens from disk, plays, seeks, filters, searches, by day and by night, on any screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soundseam.pipeline.report.launch import ReportRequest, make_report
from tests.pipeline.report.corpora import HOSTILE, SENTENCES, make_corpus, make_hostile_corpus, make_large_corpus
from tests.pipeline.report.pages import LAPTOP, PHONE, choose, cursor, opened, second, shown, wait

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LARGE = 600


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(ReportRequest(output=str(make_corpus(tmp_path_factory.mktemp("out"))), title="A corpus")).page


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = make_large_corpus(tmp_path_factory.mktemp("large"), LARGE)
    return make_report(ReportRequest(output=str(output), segments=5000)).page


@pytest.fixture
def page(chromium: Browser, report: Path) -> Iterator[Page]:
    with opened(chromium, report, "browse") as page:
        page.wait_for_selector("#play")
        yield page


def test_it_opens_from_disk_with_the_totals(chromium: Browser, report: Path) -> None:
    with opened(chromium, report) as page:
        assert page.title() == "A corpus · Soundseam report"
        tiles = dict(zip(page.locator(".tile-name").all_inner_texts(), page.locator(".tile strong").all(), strict=True))
        assert {name: tile.inner_text() for name, tile in tiles.items()} == {
            "audio": "38 s",
            "segments": "3",
            "captions": "3",
            "claims": "6",
            "rejected": "2",
        }
        assert "Segment lengths" in page.locator("#histograms").inner_text()
        assert "not audio" in page.locator("#rejected").inner_text()


def test_it_plays_with_a_moving_cursor(page: Page) -> None:
    assert (second(page), round(cursor(page), 2)) == (0, 0)
    page.click("#play")
    wait(page, lambda: second(page) > 0.4)
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    moved = cursor(page)
    assert moved > 0.02
    wait(page, lambda: second(page) > 0.8)
    assert cursor(page) > moved
    page.click("#play")
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    assert abs(cursor(page) - second(page) / 12) < 0.01
    assert page.locator("#now").inner_text() != "0:00.0"


def test_a_click_seeks(page: Page) -> None:
    page.keyboard.press("j")
    page.wait_for_selector("h2:has-text('a.wav') + .note:has-text('16.0 s')")
    box = page.locator(".spectrogram-box").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 20)
    wait(page, lambda: second(page) > 1)
    assert abs(second(page) - 12) < 0.2
    assert abs(cursor(page) - 0.75) < 0.02
    assert page.locator("#now").inner_text().startswith("0:1")


def test_events_words_turns_beats_and_chords_lie_on_the_time_axis(page: Page) -> None:
    names = page.locator(".gutter > div").all_inner_texts()
    assert [name.split("\n")[0] for name in names if name] == ["waveform", "spectrogram", "events", "words", "turns"]
    assert page.locator(".words .item").all_inner_texts()[:2] == ["Good", "morning"]
    assert page.locator(".spans .item").all_inner_texts() == ["speaker 1", "speaker 2"]
    bell = page.locator(".events .item", has_text="Bell").bounding_box()
    tracks = page.locator("#tracks").bounding_box()
    assert bell is not None
    assert tracks is not None
    assert abs((bell["x"] - tracks["x"]) / tracks["width"] - 9 / 12) < 0.01
    assert page.evaluate("document.querySelector('.spectrogram').naturalWidth") > 100
    page.keyboard.press("j")
    page.wait_for_selector(".ticks .tick")
    assert page.locator(".ticks .tick").count() == 32 + 8
    assert "A:min" in page.locator(".spans .item").all_inner_texts()


def test_claims_are_coloured_by_their_verdicts_and_show_their_evidence(page: Page) -> None:
    claims = page.locator(".caption .claim")
    assert [text.strip(" ✓?✕") for text in claims.all_inner_texts()] == list(SENTENCES)
    colours = {
        page.evaluate(
            "at => getComputedStyle(document.querySelectorAll('.caption .claim')[at]).textDecorationColor", at
        )
        for at in range(3)
    }
    assert len(colours) == 3
    claims.nth(1).hover()
    tip = page.locator("#tip")
    assert "the verifier is unsure, P = 0.55" in tip.inner_text()
    assert "start_ms" in tip.inner_text()
    page.mouse.move(0, 0)
    tip.wait_for(state="hidden")
    claims.nth(2).focus()
    assert "dropped by the verifier" in tip.inner_text()


@pytest.mark.parametrize(
    ("facet", "value", "left"),
    [
        ("branch", "music", ["A tune plays."]),
        ("class", "animal", ["A dog barks twice. Then a bell rings."]),
        ("verdict", "dropped", [" ".join(SENTENCES)]),
        ("reject", "truncated", ["broken: truncated"]),
        ("reject", "*", ["broken: not_audio", "broken: truncated"]),
    ],
)
def test_filters_leave_what_they_name(page: Page, facet: str, value: str, left: list[str]) -> None:
    everything = shown(page)
    assert len(everything) == 5
    choose(page, facet, value)
    assert shown(page) == left
    assert page.locator("#count").inner_text() == f"{len(left)} of 5 entries"
    page.click("#clear")
    assert shown(page) == everything


def test_filters_and_search_work_together(page: Page) -> None:
    choose(page, "class", "object")
    assert len(shown(page)) == 2
    page.fill("#search", "dog TWICE")
    assert shown(page) == ["A dog barks twice. Then a bell rings."]
    page.fill("#search", "dog whispers")
    assert shown(page) == []
    assert "No segment matches" in page.locator("#rows").inner_text()
    page.fill("#search", "morning")
    assert shown(page) == [" ".join(SENTENCES)]


def test_a_bar_of_the_overview_filters_the_list(chromium: Browser, report: Path) -> None:
    with opened(chromium, report) as page:
        page.locator("#bars a", has_text="animal").click()
        assert shown(page) == ["A dog barks twice. Then a bell rings."]
        page.click("#tab-overview")
        page.locator("#rejected a", has_text="truncated").click()
        assert shown(page) == ["broken: truncated"]


def test_filters_search_and_order_are_in_the_address(chromium: Browser, report: Path, page: Page) -> None:
    choose(page, "class", "object")
    page.fill("#search", "bell")
    page.select_option("#sort", "shortest")
    wanted = shown(page)
    assert wanted[0] == "A dog barks twice. Then a bell rings."
    address = page.url.partition("#")[2]
    assert address.endswith("&q=bell&class=object&sort=shortest")
    with opened(chromium, report, address) as other:
        other.wait_for_selector("#play")
        assert shown(other) == wanted
        assert other.input_value("#search") == "bell"
        other.click("#clear")
        assert "&q=" not in other.url
        other.click("#tab-overview")
        other.go_back()
        assert len(shown(other)) == 5
    with opened(chromium, report, "browse&class=nonsense&sort=nonsense") as other:
        assert len(shown(other)) == 5


@pytest.mark.parametrize(
    ("order", "first"),
    [("longest", "A tune plays."), ("claims", " ".join(SENTENCES)), ("quality", " ".join(SENTENCES))],
)
def test_the_list_can_be_sorted(page: Page, order: str, first: str) -> None:
    everything = shown(page)
    page.select_option("#sort", order)
    assert shown(page)[0] == first
    assert sorted(shown(page)) == sorted(everything)


def test_if_nothing_matches_no_segment_is_shown(page: Page) -> None:
    page.fill("#search", "no such words")
    page.wait_for_selector("text=No segment matches these filters.")
    assert page.locator("#play").count() == 0
    page.fill("#search", "tune")
    page.locator("#place", has_text="1 / 1").wait_for()


def test_keys_step_play_and_search(page: Page) -> None:
    def note() -> str:
        return page.locator(".steps .note").inner_text()

    assert note() == "1 / 5"
    page.keyboard.press("j")
    wait(page, lambda: note() == "2 / 5")
    page.keyboard.press("k")
    wait(page, lambda: note() == "1 / 5")
    page.keyboard.press("k")
    assert note() == "1 / 5"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    wait(page, lambda: second(page) > 1.9)
    page.keyboard.press(" ")
    wait(page, lambda: second(page) > 2.2)
    page.keyboard.press(" ")
    page.keyboard.press("Home")
    wait(page, lambda: second(page) == 0)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("jk")
    assert page.input_value("#search") == "jk"


def test_a_link_opens_its_segment(chromium: Browser, report: Path, page: Page) -> None:
    page.keyboard.press("j")
    page.wait_for_selector(".ticks")
    address = page.url.partition("#")[2]
    with opened(chromium, report, address) as other:
        other.wait_for_selector(".ticks")
        assert other.locator(".steps .note").inner_text() == "2 / 5"
    with opened(chromium, report, "s=nothing") as other:
        other.wait_for_selector("text=No segment nothing is in this report")


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_text_can_be_read_by_day_and_by_night(chromium: Browser, report: Path, size: tuple[int, int]) -> None:
    papers = set()
    for scheme in ("light", "dark"):
        with opened(chromium, report, size=size, scheme=scheme) as page:
            ink, paper = (luminance(colour) for colour in page.evaluate(COLOURS))
            assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7
            papers.add(paper)
    assert min(papers) < 0.05
    assert max(papers) > 0.8


COLOURS = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return float(sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))


def test_a_phone_shows_the_list_then_a_segment_and_nothing_sticks_out(chromium: Browser, report: Path) -> None:
    with opened(chromium, report, size=PHONE) as page:
        assert sticks_out(page) <= 0
        page.click("#tab-browse")
        assert len(shown(page)) == 5
        assert not page.locator("#detail").is_visible()
        page.locator(".row").first.tap()
        page.locator("#play").tap()
        wait(page, lambda: second(page) > 0.2)
        assert sticks_out(page) <= 0
        assert not page.locator("#list").is_visible()
        page.locator(".back").tap()
        assert page.locator("#list").is_visible()


def sticks_out(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_a_long_list_shows_the_rows_in_sight_alone(chromium: Browser, large: Path) -> None:
    with opened(chromium, large, "browse") as page:
        page.wait_for_selector("#play")
        assert page.locator("#count").inner_text() == f"{LARGE:,} entries"
        assert page.locator("#rows .row").count() < 30
        page.evaluate("document.getElementById('list').scrollTop = 1e9")
        page.wait_for_selector(f"#row-{LARGE - 1}")
        page.locator(f"#row-{LARGE - 1}").click()
        page.locator(".steps .note", has_text=f"{LARGE} / {LARGE}").wait_for()
        page.fill("#search", "r0003-07")
        assert shown(page) == ["Bark r0003-07."]


def test_hostile_texts_are_shown_as_they_are_and_run_nothing(chromium: Browser, tmp_path: Path) -> None:
    made = make_report(ReportRequest(output=str(make_hostile_corpus(tmp_path)), title=HOSTILE[0]))
    with opened(chromium, made.page) as page:
        assert page.locator("#headline").inner_text() == HOSTILE[0]
        page.click("#tab-browse")
        page.wait_for_selector("#play")
        seen = set()
        for number in range(2 * len(HOSTILE)):
            page.locator(".steps .note").get_by_text(f"{number + 1} / 18", exact=True).wait_for()
            for claim in page.locator(".claim").all():
                claim.focus()
            seen |= set(page.locator(".caption .claim").all_text_contents())
            page.keyboard.press("j")
        assert set(HOSTILE) <= seen
        for text in HOSTILE:
            page.select_option("select[data-facet=reject]", text)
            assert page.locator("#count").inner_text() == "1 of 18 entries"
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("document.querySelectorAll('main script, main img:not(.spectrogram)').length") == 0


def test_without_its_data_the_page_says_so(chromium: Browser, tmp_path: Path) -> None:
    made = make_report(ReportRequest(output=str(make_corpus(tmp_path))))
    (made.page.parent / "data" / "list-0.js").unlink()
    context = chromium.new_context()
    page = context.new_page()
    page.goto(made.page.as_uri())
    page.wait_for_selector("text=The report is incomplete: data/list-0.js cannot be read.")
    context.close()
