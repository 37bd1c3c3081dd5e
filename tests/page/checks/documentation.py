"""The screenshots of docs/page.md."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from conftest import Open
from playwright.sync_api import Page, Route, expect

WIDTH = 1120
"""Width of the window in pixels."""

MAX_BYTES = 150_000
"""Maximum size of a screenshot, so that the repository stays small."""


def test_screenshots_are_made(open_page: Open, facts: SimpleNamespace) -> None:
    folder = Path(facts.screenshots)
    compared = with_one_model(open_page(width=WIDTH, height=1020), facts.minilm)
    compared.get_by_role("button", name="Compare", exact=True).click()
    expect(compared.locator("#compare-results")).to_be_visible()
    compared.screenshot(path=folder / "page_compare.png")
    dark = open_page(width=WIDTH, height=900, color_scheme="dark")
    searched = with_one_model(dark, facts.minilm)
    searched.get_by_role("tab", name="Search").click()
    searched.get_by_role("button", name="Search", exact=True).click()
    expect(searched.locator("#search-results")).to_be_visible()
    searched.evaluate("scrollTo(0, 0)")
    searched.screenshot(path=folder / "page_search.png")
    for file in folder.glob("page_*.png"):
        assert file.stat().st_size < MAX_BYTES, file.name


def with_one_model(page: Page, model: str) -> Page:
    """Load the page again as `make serve` shows it, without the other models of the tests."""

    def respond(route: Route) -> None:
        body = route.fetch().json()
        route.fulfill(json={**body, "data": [each for each in body["data"] if each["id"] == model]})

    page.route("**/v1/models", respond)
    page.reload()
    expect(page.get_by_role("radio")).to_have_count(1)
    return page
