"""Every state of the page, in both color schemes: accessible, and narrow enough for a phone."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from conftest import Inspect, Open
from playwright.sync_api import Page, expect

WINDOWS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"width": 320, "height": 640},
    "narrow-dark": {"width": 320, "height": 640, "color_scheme": "dark"},
}


@pytest.fixture(params=WINDOWS)
def window(request: pytest.FixtureRequest) -> str:
    """The name of a color scheme and width."""
    return request.param


def compare(page: Page) -> None:
    page.get_by_role("button", name="Compare", exact=True).click()


def test_page_before_a_request_is_accessible(
    window: str, open_page: Open, inspect: Inspect
) -> None:
    page = open_page(**WINDOWS[window])
    expect(page.get_by_role("radio")).to_have_count(4)
    expect(page.locator("#live-state")).to_have_text("ready")
    page.get_by_text("Properties of the model").click()
    inspect(page, f"empty-{window}")


def test_comparison_is_accessible(
    window: str, open_page: Open, inspect: Inspect, facts: SimpleNamespace
) -> None:
    page = open_page(**WINDOWS[window])
    page.get_by_role("radio", name=facts.minilm).check()
    compare(page)
    expect(page.locator("#heatmap tbody td")).to_have_count(25)
    page.locator("#vectors summary").first.click()
    inspect(page, f"compared-{window}")


def test_ranking_is_accessible(window: str, open_page: Open, inspect: Inspect) -> None:
    page = open_page(**WINDOWS[window])
    page.get_by_role("tab", name="Search").click()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#hits > li")).to_have_count(5)
    page.get_by_role("tab", name="Python").click()
    inspect(page, f"ranked-{window}")


def test_error_is_accessible_and_names_the_text(
    window: str, open_page: Open, inspect: Inspect, facts: SimpleNamespace
) -> None:
    page = open_page(**WINDOWS[window])
    page.get_by_role("radio", name=facts.minilm).check()
    page.get_by_label("Texts, one per line").fill("short\n" + "word " * 400)
    compare(page)
    error = page.locator("#compare-error")
    expect(error).to_contain_text(
        "Input length 402 exceeds maximum allowed token size 256 (input[1])"
    )
    expect(error).to_contain_text("Input 2: word word")
    field = page.get_by_label("Texts, one per line")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("exceeds maximum"))
    inspect(page, f"error-{window}")
    page.get_by_label("Text over the limit").select_option("END")
    compare(page)
    expect(page.locator("#vectors")).to_contain_text("402 tokens, of which 256 are read")
    expect(error).to_be_empty()


def test_form_for_the_key_is_accessible(
    window: str, open_page: Open, inspect: Inspect, facts: SimpleNamespace
) -> None:
    page = open_page(facts.keyed, **WINDOWS[window])
    expect(page.get_by_label("API key", exact=True)).to_be_visible()
    inspect(page, f"key-{window}")


def test_missing_model_is_reported_with_the_message_of_the_server(
    window: str, open_page: Open, inspect: Inspect, facts: SimpleNamespace
) -> None:
    page = open_page(facts.without_model, **WINDOWS[window])
    expect(page.locator("#problem")).to_contain_text("There is no model yet")
    expect(page.locator("#live-state")).to_have_text("no model yet")
    inspect(page, f"no-model-{window}")


def test_images_are_accessible(
    window: str, open_page: Open, inspect: Inspect, facts: SimpleNamespace
) -> None:
    page = open_page(**WINDOWS[window])
    page.get_by_role("radio", name=facts.images).check()
    page.locator("#compare-images-files").set_input_files(facts.image_files)
    compare(page)
    expect(page.locator("#vectors img")).to_have_count(2)
    inspect(page, f"images-{window}")
