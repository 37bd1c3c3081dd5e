"""The pictures of docs/page.md."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from conftest import Open
from playwright.sync_api import expect

MAX_BYTES = 150_000
"""Maximum size of a picture, so that the repository stays small."""


def test_pictures_are_made(open_page: Open, facts: SimpleNamespace) -> None:
    folder = Path(facts.pictures)
    page = open_page(width=1180, height=860)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compare-results")).to_be_visible()
    page.screenshot(path=folder / "page_compare.png")
    page = open_page(width=1180, height=860, color_scheme="dark")
    page.get_by_role("tab", name="Search").click()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#search-results")).to_be_visible()
    page.screenshot(path=folder / "page_search.png")
    for picture in folder.glob("page_*.png"):
        assert picture.stat().st_size < MAX_BYTES, picture.name
