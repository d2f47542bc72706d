"""A report as somebody has it open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LAPTOP, PHONE = (1366, 850), (390, 844)


@contextmanager
def opened(
    chromium: Browser,
    index: Path,
    view: str = "",
    size: tuple[int, int] = LAPTOP,
    scheme: str = "light",
    bypass_csp: bool = False,
) -> Iterator[Page]:
    """The page at `index`, opened from disk. Fails if it complains or asks for anything but files beside it."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
        reduced_motion="reduce",
        bypass_csp=bypass_csp,
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{index.as_uri()}#{view}")
    page.locator("#count").filter(has_text="entries").wait_for(state="attached")
    yield page
    context.close()
    assert not complaints, complaints
    assert not [url for url in asked if not url.startswith((index.parent.as_uri(), "data:", "blob:"))]


def shown(page: Page) -> list[str]:
    """The captions in the list, as far as it is in sight."""
    return page.locator("#rows .row-text").all_inner_texts()


def choose(page: Page, facet: str, value: str) -> None:
    page.select_option(f"select[data-facet={facet}]", value)


def second(page: Page) -> float:
    """Where the audio is."""
    return float(page.evaluate("document.getElementById('audio').currentTime"))


def cursor(page: Page) -> float:
    """Where the cursor is drawn, from 0 to 1 over the time axis."""
    return float(
        page.evaluate(
            "() => { const box = document.getElementById('tracks').getBoundingClientRect();"
            " const at = document.querySelector('.cursor').getBoundingClientRect();"
            " return (at.left + at.width / 2 - box.left) / box.width; }"
        )
    )


def wait(page: Page, condition: Callable[[], bool]) -> None:
    """Until `condition` holds. The page itself is asked, since its policy forbids to give it scripts that wait."""
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("waited in vain")
