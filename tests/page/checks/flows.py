"""Tasks of a user: by keyboard only, with a key, with images, and with the copied programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from conftest import Open
from playwright.sync_api import Page, Request, Route, expect

SECONDS = 120
"""Deadline of a copied program."""


def compare(page: Page) -> None:
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compare-results")).to_be_visible()


def embeddings(page: Page) -> list[dict]:
    """Collect the bodies of the page's requests for vectors."""
    found: list[dict] = []

    def collect(request: Request) -> None:
        if request.url.endswith("/v1/embeddings"):
            found.append(request.post_data_json)

    page.on("request", collect)
    return found


def program(page: Page, name: str) -> str:
    """Return a program that is offered for copying."""
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("region", name=f"{name} program").inner_text()


def numbers(page: Page, selector: str) -> list[str]:
    """Return the numbers that some elements show."""
    return [text.replace("−", "-") for text in page.locator(selector).all_inner_texts()]


def run(command: list[str], folder: Path, **variables: str) -> str:
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=SECONDS,
        env={**os.environ, **variables},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def focused(page: Page) -> str:
    """Return the id of the element with the focus, or its text."""
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until an element has the focus, which must be visible."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page) == name:
            style = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(style) == "solid", f"the focus of {name} is not visible"
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_whole_flow_needs_no_mouse(open_page: Open, facts: SimpleNamespace) -> None:
    page = open_page()
    expect(page.get_by_role("radio", name=facts.minilm)).to_be_checked()
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the models"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name=facts.asymmetric)).to_be_checked()
    page.keyboard.press("ArrowUp")
    tab_to(page, "compare-texts")
    page.keyboard.press("Control+a")
    page.keyboard.type("one\ntwo\nthree")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#heatmap tbody td")).to_have_count(9)
    page.keyboard.press("Shift+Tab")
    tab_to(page, "compare-code-curl-tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("region", name="Python program")).to_be_visible()
    page.reload()
    expect(page.get_by_role("radio", name=facts.minilm)).to_be_checked()
    tab_to(page, "compare-tab")
    page.keyboard.press("End")
    tab_to(page, "search-query")
    page.keyboard.press("Enter")
    expect(page.locator("#hits > li")).to_have_count(5)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")


def test_figures_are_those_of_the_server(open_page: Open, facts: SimpleNamespace) -> None:
    page = open_page()
    page.get_by_role("radio", name=facts.minilm).check()
    page.get_by_label("Texts, one per line").fill("a cat\n\n  a kitten \nstock market")
    sent = embeddings(page)
    compare(page)
    assert sent[0]["input"] == ["a cat", "a kitten", "stock market"]
    expect(page.locator("#compare-status")).to_have_text(
        re.compile(r"^3 inputs, 12 tokens, 384 dimensions, \d+ ms$")
    )
    body = {"model": facts.minilm, "input": sent[0]["input"]}
    response = page.request.post(f"{facts.url}/v1/embeddings", data=body).json()
    vectors = np.array([item["embedding"] for item in response["data"]])
    shown = np.array(numbers(page, "#heatmap tbody td"), float).reshape(3, 3)
    assert np.abs(shown - vectors @ vectors.T).max() < 0.0051
    page.locator("#vectors summary").first.click()
    vector = json.loads(page.get_by_role("region", name="All numbers of the vector").inner_text())
    assert np.abs(np.array(vector) - vectors[0]).max() < 1e-5
    expect(page.locator("#vectors .tokens")).to_have_text(["4 tokens"] * 3)


def test_query_and_passages_of_an_asymmetric_model_have_their_types(
    open_page: Open, facts: SimpleNamespace
) -> None:
    page = open_page()
    page.get_by_role("radio", name=facts.asymmetric).check()
    sent = embeddings(page)
    page.get_by_label("Embed them as").select_option("query")
    compare(page)
    page.get_by_role("tab", name="Search").click()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#hits > li")).to_have_count(5)
    assert [body["input_type"] for body in sent] == ["query", "query", "passage"]
    scores = list(map(float, numbers(page, "#hits .score")))
    assert scores == sorted(scores, reverse=True)


def test_shorter_vectors_are_offered_by_models_that_have_them(
    open_page: Open, facts: SimpleNamespace
) -> None:
    page = open_page()
    page.get_by_role("radio", name=facts.minilm).check()
    expect(page.get_by_label("Vector length")).to_be_hidden()
    page.get_by_role("radio", name=facts.matryoshka).check()
    page.get_by_label("Vector length").select_option("8")
    compare(page)
    expect(page.locator("#compare-status")).to_contain_text("8 dimensions")
    page.get_by_role("radio", name=facts.minilm).check()
    compare(page)
    expect(page.locator("#compare-status")).to_contain_text("384 dimensions")


def test_copied_programs_give_the_same_vectors(
    open_page: Open, facts: SimpleNamespace, tmp_path: Path
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("radio", name=facts.matryoshka).check()
    page.get_by_label("Vector length").select_option("8")
    page.get_by_label("Texts, one per line").fill("it's $HOME `date`\n\"a\\b\" 東京\nEOF 'x'")
    compare(page)
    (tmp_path / "curl.sh").write_text(program(page, "curl"))
    response = json.loads(run(["bash", "curl.sh"], tmp_path))
    vectors = np.array([item["embedding"] for item in response["data"]])
    assert vectors.shape == (3, 8)
    shown = np.array(numbers(page, "#heatmap tbody td"), float).reshape(3, 3)
    assert np.abs(shown - vectors @ vectors.T).max() < 0.0051
    (tmp_path / "pairs.py").write_text(program(page, "Python"))
    printed = run([sys.executable, "pairs.py"], tmp_path)
    pairs = np.array(re.findall(r"-?\d\.\d*", printed), float).reshape(3, 3)
    assert np.abs(pairs - vectors @ vectors.T).max() < 0.0051
    page.get_by_role("button", name="Copy Python").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == (tmp_path / "pairs.py").read_text()


def test_copied_search_gives_the_same_ranking(
    open_page: Open, facts: SimpleNamespace, tmp_path: Path
) -> None:
    page = open_page()
    page.get_by_role("radio", name=facts.asymmetric).check()
    page.get_by_role("tab", name="Search").click()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#hits > li")).to_have_count(5)
    (tmp_path / "search.py").write_text(program(page, "Python"))
    printed = run([sys.executable, "search.py"], tmp_path).splitlines()
    places = page.locator("#hits .place").all_inner_texts()
    scores = numbers(page, "#hits .score")
    expected = [f"{score}  {place}" for score, place in zip(scores, places, strict=True)]
    assert printed == expected


def test_key_is_sent_but_neither_stored_nor_shown(
    open_page: Open, facts: SimpleNamespace, tmp_path: Path
) -> None:
    page = open_page(facts.keyed)
    page.get_by_label("API key", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-error")).to_have_text("The server rejected this key.")
    expect(page.get_by_label("API key", exact=True)).to_be_focused()
    page.get_by_label("API key", exact=True).fill(facts.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name=facts.minilm)).to_be_focused()
    compare(page)
    stored = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert page.evaluate(stored) == '[{},{},""]'
    for name, command in (("curl", ["bash"]), ("Python", [sys.executable])):
        text = program(page, name)
        assert facts.key not in text
        (tmp_path / name).write_text(text)
        assert run([*command, name], tmp_path, API_KEY=facts.key)
    page.reload()
    expect(page.get_by_label("API key", exact=True)).to_have_value("")


def test_page_works_behind_a_prefix(open_page: Open, facts: SimpleNamespace) -> None:
    for address in (f"{facts.behind_proxy}/embed/", f"{facts.with_root_path}/embed"):
        page = open_page(address)
        compare(page)
        assert f"{address.rstrip('/')}/v1/embeddings" in program(page, "curl")
        expect(page.locator("#live-state")).to_have_text("ready")
        links = page.locator("nav a").evaluate_all("links => links.map(link => link.href)")
        assert links == [f"{address.rstrip('/')}/{name}" for name in ("docs", "metrics")]


def test_live_figures_follow_requests(open_page: Open) -> None:
    page = open_page()
    expect(page.locator("#live-in-flight")).to_have_text("0 of 1024")
    idle = re.compile(r"^(\S+,19 ?)+$")
    expect(page.locator("#curve")).to_have_attribute("points", idle)
    compare(page)
    # The figure is 0 again after the next poll, but the curve keeps it.
    expect(page.locator("#curve")).not_to_have_attribute("points", idle)


def test_live_figures_are_rates_over_all_models(open_page: Open) -> None:
    page = open_page()
    start = time.monotonic()

    def respond(route: Route) -> None:
        seconds = time.monotonic() - start
        labels = 'method="POST",route="/v1/embeddings",status="200"'
        lines = [
            f"triton_embed_http_requests_total{{{labels}}} {40 * seconds}",
            *(f'triton_embed_tokens_total{{model="{name}"}} {1e6 * seconds}' for name in "ab"),
            'triton_embed_http_requests_total{method="GET",route="/docs",status="200"} 1e9',
            "triton_embed_inputs_waiting 7.0",
            "triton_embed_inputs_in_flight 300.0",
            "triton_embed_inputs_limit 1024.0",
        ]
        route.fulfill(body="\n".join(lines))

    page.route("**/metrics", respond)
    expect(page.locator("#live-waiting")).to_have_text("7")
    expect(page.locator("#live-in-flight")).to_have_text("300 of 1024")
    expect(page.locator("#live-requests")).to_have_text(re.compile(r"^[2-6]\d$"))
    expect(page.locator("#live-tokens")).to_have_text(re.compile(r"^[12],\d{3},\d{3}$"))


def test_images_are_dropped_removed_and_compared(
    open_page: Open, facts: SimpleNamespace, tmp_path: Path
) -> None:
    page = open_page()
    page.get_by_role("radio", name=facts.images).check()
    drop(page, "#compare-images", facts.image_files)
    page.get_by_label("Texts, one per line").fill("costs $5 \\ `x`")
    page.get_by_role("button", name=re.compile("^Remove")).first.click()
    expect(page.locator(".thumbnails li")).to_have_count(1)
    compare(page)
    expect(page.locator("#heatmap tbody td")).to_have_count(4)
    name = Path(facts.image_files[1]).name
    (tmp_path / name).write_bytes(Path(facts.image_files[1]).read_bytes())
    (tmp_path / "curl.sh").write_text(program(page, "curl"))
    response = json.loads(run(["bash", "curl.sh"], tmp_path))
    vectors = np.array([item["embedding"] for item in response["data"]])
    shown = numbers(page, "#heatmap tbody td")[1]
    assert f"{vectors[0] @ vectors[1]:.2f}" == shown
    (tmp_path / "pairs.py").write_text(program(page, "Python"))
    assert shown.lstrip("-").rstrip("0") in run([sys.executable, "pairs.py"], tmp_path)


def drop(page: Page, target: str, files: list[str]) -> None:
    """Drop files, and a file that is no image."""
    contents = [[Path(file).name, list(Path(file).read_bytes())] for file in files]
    script = """files => {
        const transfer = new DataTransfer();
        for (const [name, bytes] of files) {
            const file = new File([new Uint8Array(bytes)], name, {type: "image/png"});
            transfer.items.add(file);
        }
        transfer.items.add(new File(["x"], "notes.txt", {type: "text/plain"}));
        return transfer;
    }"""
    transfer = page.evaluate_handle(script, contents)
    page.locator(target).dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.locator(target)).to_contain_text("Not a PNG or JPEG file: notes.txt")


def test_long_lists_are_shown_in_part(open_page: Open, facts: SimpleNamespace) -> None:
    page = open_page()
    page.get_by_role("radio", name=facts.asymmetric).check()
    page.get_by_label("Texts, one per line").fill("same\n" * 250)
    compare(page)
    expect(page.locator("#compare-status")).to_contain_text("250 inputs")
    expect(page.locator("#heatmap tbody tr")).to_have_count(40)
    expect(page.locator("#heatmap-note")).to_have_text("The first 40 of 250 are shown.")
    expect(page.locator("#vectors > li")).to_have_count(200)
    expect(page.locator("#vectors-note")).to_have_text("The first 200 of 250 are shown.")
    # Equal texts have the color of 1, not that of the lowest similarity.
    expect(page.locator("#scale-low")).to_have_text("0.99")
    color = page.locator("#heatmap td").nth(41).evaluate("cell => getComputedStyle(cell).color")
    assert color == "rgb(255, 255, 255)"


def test_missing_text_is_reported_without_a_request(open_page: Open) -> None:
    page = open_page()
    sent = embeddings(page)
    page.get_by_label("Texts, one per line").fill(" \n ")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compare-error")).to_have_text("Enter at least one text.")
    expect(page.get_by_label("Texts, one per line")).to_be_focused()
    assert sent == []


def test_server_without_response_is_reported(open_page: Open) -> None:
    page = open_page()
    page.route("**/v1/embeddings", lambda route: route.abort())
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compare-error")).to_contain_text("The server did not respond.")
    page.route("**/metrics", lambda route: route.abort())
    expect(page.locator("#live-state")).to_have_text("not responding")


def test_response_of_a_proxy_is_reported_with_its_status(open_page: Open) -> None:
    page = open_page()
    page.route("**/v1/embeddings", lambda route: route.fulfill(status=502, body="<h1>Bad</h1>"))
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compare-error")).to_contain_text("status 502 and no message")


def test_overload_is_reported_with_the_time_to_wait(open_page: Open) -> None:
    page = open_page()
    body = {"message": "Too many requests.", "code": "overloaded"}
    page.route(
        "**/v1/embeddings",
        lambda route: route.fulfill(status=503, json=body, headers={"retry-after": "3"}),
    )
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compare-error")).to_contain_text("Too many requests.")
    expect(page.locator("#compare-error")).to_contain_text(
        "status 503, code overloaded, try again in 3 s"
    )


def test_new_model_appears_without_a_reload(open_page: Open, facts: SimpleNamespace) -> None:
    page = open_page()
    expect(page.locator("#live-state")).to_have_text("ready")
    page.get_by_role("radio", name=facts.images).check()
    models = page.request.get(f"{facts.url}/v1/models").json()
    models["data"].append({**models["data"][0], "id": "new", "root": "new"})
    metrics = page.request.get(f"{facts.url}/metrics").text()
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    changed = f'{metrics}triton_embed_model_ready{{model="new"}} 1.0\n'
    page.route("**/metrics", lambda route: route.fulfill(body=changed))
    expect(page.get_by_role("radio", name="new")).to_be_visible()
    expect(page.get_by_role("radio", name=facts.images)).to_be_checked()


def test_texts_are_never_read_as_html(open_page: Open) -> None:
    page = open_page()
    text = "<img src=x onerror=\"document.title='hacked'\"> <b>bold</b>"
    page.get_by_label("Texts, one per line").fill(f"{text}\nother")
    compare(page)
    expect(page.locator("#vectors .text").first).to_have_text(text)
    expect(page).to_have_title("triton-embed")
