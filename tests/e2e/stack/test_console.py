"""The console in a real browser, with a real gateway and Triton behind: every control does what it says.

Skipped loudly where Chromium is not installed (Debian: apt-get install chromium).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect, sync_playwright

from deploy.local.stack import console
from tests.e2e.conftest import Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUERY = "A bakery sells 36 loaves in the morning and half as many in the afternoon. How many in all?"
LOGGED = {
    "time": "2026-11-30T12:34:56.789+00:00",
    "query_hash": "0123456789abcdef" * 2,
    "llm": "meta-llama/Meta-Llama-3-8B",
    "reason": "only_one",
    "total_ms": 1.5,
}
AXE = Path(__file__).parents[3] / ".cache/integrations/node_modules/axe-core/axe.min.js"
# Pictures for the docs are made by: SCREENSHOTS=docs/img pytest tests/e2e/stack/test_console.py
SCREENSHOTS = os.environ.get("SCREENSHOTS")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def url(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("console")
    log = folder / "decisions.jsonl"
    log.write_text(f"{json.dumps(LOGGED)}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ROUTERDC_DECISION_LOG_FILE", str(log))
        with console(stack.service, folder, 0) as url:
            yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page with everything it complained about, and every address it asked for."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.complaints, self.addresses = page, list[str](), list[str]()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)
        page.goto(url)
        expect(page.locator("#status")).to_contain_text("ready · bundle")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        self.addresses.append(request.url)

    def ask(self, text: str) -> None:
        self.page.get_by_label("Query", exact=True).fill(text)
        self.page.get_by_role("button", name="Ask the router").click()
        expect(self.page.locator("#rule")).not_to_be_empty()


@pytest.fixture
def watched(browser: Browser, url: str) -> Iterator[Watched]:
    """A page of a new profile; at the end it has complained about nothing and asked no other host."""
    context = browser.new_context(viewport={"width": 1000, "height": 1400})
    watched = Watched(context.new_page(), url)
    yield watched
    assert watched.complaints == []
    assert {address for address in watched.addresses if not address.startswith((url, "data:"))} == set()
    context.close()


def rows(page: Page) -> list[list[str]]:
    cells = page.locator("#candidates tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.cells].map(c => c.innerText))"
    )
    assert isinstance(cells, list)
    return cells


def test_a_query_shows_every_llm_and_the_rule(watched: Watched) -> None:
    watched.ask(QUERY)
    page, shown = watched.page, rows(watched.page)
    assert len(shown) == 7
    chosen = shown[0][0].removeprefix("✔ ")
    expect(page.locator("#rule")).to_contain_text(f"{chosen} has the highest score")
    expect(page.locator("#facts")).to_contain_text("tokens read")
    scores = [float(row[1]) for row in shown]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < float(row[3]) < 1 for row in shown), "confidences"
    assert all(float(row[4]) > 0 for row in shown), "prices"
    if SCREENSHOTS:
        page.wait_for_timeout(2500)
        page.screenshot(path=Path(SCREENSHOTS) / "console.png", full_page=True)


def test_the_slider_ranks_again_at_once_and_the_button_takes_it_back(watched: Watched) -> None:
    watched.ask(QUERY)
    page, before, asked = watched.page, rows(watched.page), len(watched.addresses)
    slider = page.get_by_label("Cost weight", exact=False)
    slider.focus()
    slider.press("End")
    after = rows(page)
    cheapest = min(float(row[4]) for row in before)
    assert float(after[0][4]) == cheapest, "with the highest weight a cheapest LLM is first"
    expect(page.locator("#expected")).to_contain_text("would answer: expected quality")
    assert [a for a in watched.addresses[asked:] if a.endswith("/api/route")] == [], "the page ranks by itself"
    page.get_by_role("button", name="As decided").click()
    assert rows(page) == before


def test_the_slider_agrees_with_the_gateway(watched: Watched, url: str) -> None:
    watched.ask(QUERY)
    page = watched.page
    page.get_by_label("Cost weight", exact=False).press("End")
    weight = float(page.locator("#weight").input_value())
    body = {"query": QUERY, "cost_weight": weight}
    answer = page.evaluate(
        "async (body) => (await fetch('api/route', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify(body)})).json()",
        body,
    )
    assert [row[0].removeprefix("✔ ") for row in rows(page)] == [c["llm"] for c in answer["candidates"]]


def test_a_chat_is_routed_like_its_last_question(watched: Watched) -> None:
    watched.ask(QUERY)
    by_query = rows(watched.page)
    watched.page.get_by_label("a chat (OpenAI's messages, JSON)").check()
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUERY}]
    watched.page.get_by_label("Chat", exact=True).fill(json.dumps({"messages": chat}))
    watched.page.get_by_label("Chat", exact=True).press("Control+Enter")
    expect(watched.page.locator("#asked li")).to_have_count(2)
    assert rows(watched.page) == by_query
    watched.page.get_by_label("Chat", exact=True).fill("[{")
    watched.page.get_by_role("button", name="Ask the router").click()
    expect(watched.page.get_by_role("alert")).to_contain_text("The chat is not JSON")


def test_what_happens_now_is_shown_and_can_be_stopped(watched: Watched) -> None:
    watched.ask(f"{QUERY} Say why.")
    page = watched.page
    expect(page.locator("#figures")).to_contain_text("in rotation 1", timeout=10_000)
    expect(page.locator("#shares tbody tr")).to_have_count(7)
    expect(page.locator("#shares")).to_contain_text("100 %", timeout=10_000)
    expect(page.locator("#stages")).to_contain_text("total")
    page.get_by_label("read every two seconds").uncheck()
    page.wait_for_timeout(500)
    asked = len(watched.addresses)
    page.wait_for_timeout(2500)
    assert len(watched.addresses) == asked


def test_the_last_decisions_come_from_the_log_as_hashes(watched: Watched) -> None:
    row = watched.page.locator("#decisions tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("12:34:56")
    expect(row).to_contain_text("0123456789ab")
    expect(row).to_contain_text("only one")
    expect(watched.page.locator("#no-log")).to_be_hidden()


@pytest.mark.parametrize(
    ("familiarity", "meaning"),
    [(0.0, "the LLMs' quality in general"), (0.5, "between"), (1.0, "about this query"), (None, "")],
)
def test_familiarity_is_shown_where_the_bundle_knows_it(
    watched: Watched, familiarity: float | None, meaning: str
) -> None:
    def answer(route: Route) -> None:
        decision = route.fetch().json() | {"familiarity": familiarity}
        route.fulfill(json=decision)

    watched.page.route("**/api/route", answer)
    watched.ask(QUERY)
    if familiarity is None:
        expect(watched.page.locator("#familiarity-part")).to_be_hidden()
    else:
        expect(watched.page.locator("#familiarity-part")).to_contain_text(meaning)
        assert watched.page.get_by_label("Familiarity").evaluate("e => e.value") == familiarity


def test_the_nearest_training_queries_are_shown_where_the_bundle_holds_some(watched: Watched) -> None:
    grades = {"an/llm": 0.25, "another/llm": 1.0}

    def answer(route: Route) -> None:
        decision = route.fetch().json()
        assert decision["neighbours"] is None, "the shipped bundle holds none"
        route.fulfill(json=decision | {"neighbours": [{"query": "<b>36</b>", "similarity": 0.9, "grades": grades}]})

    watched.ask(QUERY)
    expect(watched.page.locator("#neighbours-part")).to_be_hidden()
    watched.page.route("**/api/route", answer)
    watched.page.get_by_role("button", name="Ask the router").click()
    cells = watched.page.locator("#neighbours tbody tr > *")
    expect(cells).to_have_text(["<b>36</b>", "0.90", "another/llm 1, an/llm 0.25"])


def test_no_query_is_stored(watched: Watched, url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = "xyzzy plugh: what is nine times nine?"
    watched.ask(secret)
    page = watched.page
    digest = hashlib.sha256(json.dumps({"query": secret}).encode()).hexdigest()[:12]
    expect(page.locator("#asked")).to_contain_text(digest)
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    logs = [log.read_text(errors="replace") for log in tmp_path_factory.getbasetemp().rglob("*.log")]
    assert logs
    assert [log for log in logs if "xyzzy" in log] == []


def test_everything_has_a_name_and_can_be_reached_by_keys(watched: Watched) -> None:
    watched.ask(QUERY)
    page = watched.page
    for control in page.locator("button, input, textarea, [tabindex]").all():
        assert control.evaluate("e => e.innerText || e.labels?.length || e.getAttribute('aria-label')")
    page.locator("h1").click()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
    for name in ("kind", "text", "send", "weight", "watch"):
        assert name in reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_no_window_needs_sideways_scrolling(browser: Browser, url: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    watched = Watched(context.new_page(), url)
    watched.ask(QUERY)
    page = watched.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back, text = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    brightness = [sum(map(int, color[4:-1].split(","))) for color in (back, text)]
    assert (brightness[0] > brightness[1]) == (scheme == "light")
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"console-{width}-{scheme}.png", full_page=True)
    assert watched.complaints == []
    context.close()


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not here: make check-integrations fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(browser: Browser, url: str, scheme: str) -> None:
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)  # type: ignore[arg-type]
    watched = Watched(context.new_page(), url)
    watched.ask(QUERY)
    watched.page.add_script_tag(path=AXE)
    found = watched.page.evaluate("axe.run()")
    assert {fault["id"]: [node["html"] for node in fault["nodes"]] for fault in found["violations"]} == {}
    assert len(found["passes"]) > 20
    context.close()
