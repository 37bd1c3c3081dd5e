"""The browser, and helpers of the checks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
"""Sets of axe-core's rules."""

MILLISECONDS = 60_000
"""Deadline of each expectation; a cold model on a busy machine takes seconds."""

Open = Callable[..., Page]
"""Opens a page at an address; options are those of a browser context."""

Inspect = Callable[[Page, str], None]
"""Checks a state of the page, which has a name."""

expect.set_options(timeout=MILLISECONDS)


@pytest.fixture(scope="session")
def facts() -> SimpleNamespace:
    """The addresses of the services, and the names of the models."""
    return SimpleNamespace(**json.loads(os.environ["PAGE_FACTS"]))


@pytest.fixture(scope="session")
def browser(facts: SimpleNamespace) -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        # Root, as in containers, has no sandbox.
        browser = playwright.chromium.launch(
            executable_path=facts.browser, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, facts: SimpleNamespace) -> Iterator[Open]:
    """Open pages; at the end, nothing may have violated the policy or raised an exception."""
    contexts = []
    problems: list[str] = []

    def opened(url: str = facts.url, *, height: int = 900, width: int = 1280, **options) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.extend(noticed(message)))
        page.on("request", lambda request: problems.extend(foreign(request.url, url)))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def noticed(message) -> list[str]:
    """Return a message of the console, unless Chromium reports the status of a response."""
    expected = message.type not in ("error", "warning") or "Failed to load resource" in message.text
    return [] if expected else [message.text]


def foreign(requested: str, url: str) -> list[str]:
    """Return the address of a request to another server."""
    origin = "/".join(url.split("/")[:3])
    return [] if requested.startswith((f"{origin}/", "data:")) else [requested]


@pytest.fixture
def inspect(facts: SimpleNamespace) -> Inspect:
    """Check a state: axe-core finds no violation, and nothing is wider than the window."""

    def inspected(page: Page, name: str) -> None:
        folder = getattr(facts, "screenshots", None)
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
        results = Axe().run(page, options=RULES)
        found = [
            f"{each['id']}: {node['html']} {node.get('failureSummary', '')}"
            for each in results.response["violations"]
            for node in each["nodes"]
        ]
        assert found == [], "\n".join(found)
        for each in results.response["incomplete"]:
            print(f"{name}: axe-core cannot decide {each['id']} for {len(each['nodes'])} nodes")
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"the page is {width} pixels wider than the window"

    return inspected
