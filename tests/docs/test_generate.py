"""The references in the documentation follow from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import PARTS, SAMPLE_PARTS, pages, regenerated, stale_pages
from docs.reference import columns_of
from soundseam.pipeline.doctor import FAMILIES, members_of
from soundseam.pipeline.filters.config import FilterConfig
from soundseam.pipeline.filters.launch import FilterRequest, run_filter
from soundseam.schemas.tables import RECORD_OF, Table
from tests.docs.pages import PAGES, ROOT


def test_no_page_is_stale() -> None:
    stale = [page.name for page in stale_pages()]
    assert not stale, "run: python -m docs.generate"


def test_the_readme_shows_what_its_main_job_makes(sample_corpus: Path) -> None:
    stale = [page.name for page in stale_pages(sample_corpus)]
    assert not stale, "run over samples/recordings into a new folder, then: python -m docs.generate --corpus FOLDER"


def test_the_filters_leave_the_samples_as_they_are_by_default(sample_corpus: Path) -> None:
    request = FilterRequest(output=str(sample_corpus), config=FilterConfig(), dry_run=True)
    summary, _ = run_filter(request, lambda done, of: None)
    assert (summary.captions, summary.filtered) == (27, 0)


def test_every_reference_stands_on_a_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages())
    assert not [part for part in [*PARTS, *SAMPLE_PARTS] if f"<!-- generated: {part} -->" not in text]


def test_what_stands_around_a_generated_part_is_kept() -> None:
    page = "before\n<!-- generated: profile -->\nold\n<!-- end of profile -->\nafter\n"
    assert regenerated(page) == regenerated(regenerated(page))
    assert regenerated(page).startswith("before\n")
    assert regenerated(page).endswith("after\n")
    assert "old" not in regenerated(page)


@pytest.mark.parametrize("table", list(Table), ids=str)
def test_every_column_is_explained(table: Table) -> None:
    assert not [path for path, _, meaning in columns_of(RECORD_OF[table]) if not meaning]


def test_every_backend_is_in_the_configuration_reference() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    kinds = {member.model_fields["kind"].default for union in FAMILIES.values() for member in members_of(union)}
    assert not [kind for kind in kinds if f"`kind: {kind}`" not in text]


def test_every_link_inside_the_repository_leads_somewhere() -> None:
    links = [
        (page, target.partition("#")[0])
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http://", "https://", "#"))
    ]
    assert links
    assert not [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]
