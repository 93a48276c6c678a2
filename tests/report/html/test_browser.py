"""The HTML report in a real browser: it draws, sorts, filters, switches theme, asks for nothing, and is for everybody."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import harness.report.html as report
from harness.records.model import RecordFolder, find_records
from harness.report.baselines import Baselines, ReportedEntry
from harness.report.html.valuation import valuation_page
from harness.report.leaderboard import Leaderboard
from harness.valuation.report import ValuationReport

pytestmark = pytest.mark.browser

playwright_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 120_000
"""Milliseconds that anything may take: other tests run beside these, and Playwright's own 30 seconds are not always enough."""
HOSTILE = "<script>window.hacked = true</script><img src=x onerror='window.hacked = true'> great film"


@dataclass
class Tab:
    """An open page, and what went wrong in it."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def draw_all(self) -> None:
        """Scroll every chart into view until it is drawn."""
        for chart in self.page.query_selector_all(".chart"):
            chart.scroll_into_view_if_needed()
            self.page.wait_for_function("chart => 'drawn' in chart.dataset", arg=chart)
        self.page.evaluate("scrollTo(0, 0)")


@pytest.fixture(scope="module")
def path(make_records: Callable[..., list[RecordFolder]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    make_records(folder, dataset="reviews", n=120, seeds=(0, 1))
    texts = [f"{HOSTILE} {i}" for i in range(80)]
    arms = {"only": {}, "bliss": {"select": "random", "generate": "hypotheses"}}
    make_records(
        folder, dataset="scripted", texts=texts, n=40, arms=arms, seeds=(0,), labels=(HOSTILE, "good"), pairs=True
    )
    records = find_records([folder])
    entry = ReportedEntry(dataset="reviews", arm="only", scores={"accuracy/clean": 0.99})
    paper = Baselines(name="paper", citation="Paper 2020", entries=(entry,))
    board = Leaderboard.build(records, baselines=[paper])
    return report.write(folder / "report.html", records, board, title="A report")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    binary = next((found for name in CANDIDATES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser is installed (none of {', '.join(CANDIDATES)} on the path)")
    with playwright_api.sync_playwright() as driver:
        # Playwright gives every launch a fresh profile and the new headless mode.
        launched = driver.chromium.launch(executable_path=os.fspath(binary), args=list(SWITCHES))
        yield launched
        launched.close()


@pytest.fixture
def open_tab(browser: Any, path: Path) -> Iterator[Callable[..., Tab]]:
    contexts = []

    def open_tab(
        *, width: int = 1200, height: int = 900, scheme: str = "light", stored: str = "{}", **options: Any
    ) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(f"Object.assign(localStorage, {stored})")
        tab = Tab(context.new_page())
        tab.page.on("console", lambda m: tab.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.goto(path.as_uri())
        return tab

    yield open_tab
    for context in contexts:
        context.close()


def column(page: Any, board: int, index: int) -> list[str]:
    """The visible cells of a column of the leaderboard."""
    cells = page.query_selector_all(f".board[data-index='{board}'] tbody tr:not([hidden]) > :nth-child({index})")
    return [cell.inner_text().split("\n")[0].strip() for cell in cells]


def reviews(page: Any) -> int:
    """Position of the board of the data set ``reviews``."""
    captions = [caption.inner_text() for caption in page.query_selector_all(".board caption")]
    return next(i for i, caption in enumerate(captions) if caption.startswith("reviews"))


def test_it_draws_every_chart_without_a_complaint_or_a_request(open_tab: Callable[..., Tab], path: Path) -> None:
    tab = open_tab()
    tab.draw_all()
    assert tab.page.locator(".chart svg").count() == tab.page.locator(".chart").count() == 16
    assert tab.page.locator(".chart svg path").count() > 100
    assert tab.complaints == []
    assert tab.requests == [path.as_uri()]


def test_columns_sort_both_ways_with_reported_rows_below(open_tab: Callable[..., Tab]) -> None:
    page = open_tab().page
    board = reviews(page)
    head = page.locator(f".board[data-index='{board}'] th[data-column='accuracy/clean']")
    place = head.evaluate("head => head.cellIndex") + 1
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"  # better first
    falling = [float(text.removesuffix(" %")) for text in column(page, board, place)]
    assert falling[-1] == 99.0  # the reported row, though it is the best
    assert falling[:-1] == sorted(falling[:-1], reverse=True)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    rising = [float(text.removesuffix(" %")) for text in column(page, board, place)]
    assert rising[:-1] == sorted(rising[:-1])
    assert page.locator(f".board[data-index='{board}'] [aria-sort]").count() == 1


def test_the_leaderboard_is_filtered_by_words_data_set_and_kind(open_tab: Callable[..., Tab]) -> None:
    page = open_tab().page
    board = reviews(page)
    everything = page.locator("#leaderboard-status").inner_text()
    assert everything == "9 rows"
    page.fill("#leaderboard-search", "wldv bliss")
    assert [name.split()[0] for name in column(page, board, 1)] == ["bliss+wldv"]
    assert page.locator(".board:not([hidden])").count() == 1
    assert page.locator("#leaderboard-status").inner_text() == "1 of 9 rows"
    page.fill("#leaderboard-search", "")
    page.uncheck("#leaderboard-reported")
    assert page.locator("tr.reported:visible").count() == 0
    page.select_option("#leaderboard-board", str(1 - board))
    assert page.locator("#leaderboard-status").inner_text() == "2 of 9 rows"


def test_columns_and_what_stands_below_figures_can_be_chosen(open_tab: Callable[..., Tab]) -> None:
    page = open_tab().page
    name = "uu@0.65/clean"
    assert page.locator(f".board td[data-column='{name}']:visible").count() == 0
    page.click(".columns summary")
    page.check(f".columns input[data-column='{name}']")
    assert page.locator(f".board td[data-column='{name}']:visible").count() == 9
    page.keyboard.press("Escape")
    assert page.locator(".columns[open]").count() == 0
    page.select_option("#leaderboard-below", "difference")
    assert page.locator("[data-below='interval']:visible").count() == 0
    assert page.locator("[data-below='difference']:visible").count() > 10


def test_the_theme_follows_the_system_and_the_switch_and_is_kept(open_tab: Callable[..., Tab]) -> None:
    def ground(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light, dark = open_tab(scheme="light").page, open_tab(scheme="dark").page
    assert ground(light) != ground(dark)
    ink = "document.querySelector('.chart svg text').getAttribute('fill')"
    light.locator("#data-1-uu .chart").scroll_into_view_if_needed()
    light.wait_for_selector("#data-1-uu svg")
    before = light.evaluate(ink)
    light.focus("#theme")
    light.keyboard.press("Enter")
    assert ground(light) == ground(dark)
    assert light.locator("#theme").get_attribute("aria-label") == "Switch to light theme"
    light.wait_for_function(f"before => {ink} !== before", arg=before)
    # What the page stored is handed to the next one here: on a busy machine, Chromium's temporary profiles commit it late or
    # never, so that a reload would test Chromium.
    stored = light.evaluate("JSON.stringify(localStorage)")
    assert ground(open_tab(scheme="light", stored=stored).page) == ground(dark)
    assert ground(open_tab(scheme="light").page) != ground(dark)
    dark.focus("#theme")
    dark.keyboard.press("Enter")
    stored = dark.evaluate("JSON.stringify(localStorage)")
    assert ground(open_tab(scheme="dark", stored=stored).page) == ground(open_tab(scheme="light").page)


def test_markup_in_the_data_stays_text(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    page = tab.page
    tab.draw_all()
    page.locator("#example-board").select_option(label="scripted")
    page.select_option("#example-kind", "synthetic")
    page.select_option("#example-kind", "all")
    assert HOSTILE in page.locator("#example-list .text p").first.inner_text()
    assert HOSTILE in page.locator("#example-list td").first.inner_text() + page.locator("#example-list").inner_text()
    key = next(s.get_attribute("id") for s in page.query_selector_all(".dataset") if "scripted" in s.inner_text())
    marks = page.locator(f"#{key}-map .chart svg path[aria-label], #{key}-map .chart .mark-symbol path")
    shown = False
    for i in range(marks.count()):
        marks.nth(i).hover(force=True)
        if page.locator("#vg-tooltip-element.visible", has_text="great film").count():
            shown = True
            break
    assert shown, "no tooltip of the map quotes its text"
    assert page.locator("#vg-tooltip-element img, #vg-tooltip-element script").count() == 0
    assert page.evaluate("window.hacked") is None
    assert tab.complaints == []


def test_arms_and_populations_can_be_chosen_in_the_charts(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    page = tab.page
    section = page.locator(".dataset", has=page.locator("h2", has_text="reviews"))
    figure = section.locator("figure[id$='-uu']")
    figure.scroll_into_view_if_needed()
    lines = figure.locator(".mark-line path")
    lines.first.wait_for(state="attached")
    assert lines.count() == 6
    chip = section.locator(".chip", has_text="ibs+wldv")
    chip.focus()
    page.keyboard.press("Space")
    assert chip.get_attribute("aria-pressed") == "false"
    page.wait_for_function(
        "figure => figure.querySelectorAll('.mark-line path').length === 5", arg=figure.element_handle()
    )
    shape = lines.first.get_attribute("d")
    figure.locator("select").select_option("clean")
    page.wait_for_function(
        "([figure, shape]) => figure.querySelector('.mark-line path').getAttribute('d') !== shape",
        arg=[figure.element_handle(), shape],
    )
    # A theme switch draws anew and keeps what was chosen.
    page.click("#theme")
    page.wait_for_function(
        "figure => figure.querySelectorAll('.mark-line path').length === 5", arg=figure.element_handle()
    )
    assert tab.complaints == []


def test_examples_are_filtered_and_marked(open_tab: Callable[..., Tab]) -> None:
    page = open_tab().page
    page.locator("#example-board").select_option(label="reviews")
    page.select_option("#example-arm", "bliss")
    assert "120 of the 120" in page.locator("#example-status").inner_text()
    row = "#example-list article:first-child tbody tr:has-text('{}') >> nth=0"
    page.select_option("#example-kind", "repaired")
    assert page.locator("#example-list article").count() > 0
    assert "UU" in page.locator(row.format("only")).locator("td").nth(2).inner_text()
    assert (
        "UU" not in page.locator("#example-list article:first-child tr[aria-current]").locator("td").nth(2).inner_text()
    )
    page.select_option("#example-kind", "broken")
    assert "UU" in page.locator("#example-list article:first-child tr[aria-current]").locator("td").nth(2).inner_text()
    page.select_option("#example-kind", "uu")
    assert page.locator("#example-list mark").count() > 0
    name = page.locator("#example-list h3").first.inner_text()
    page.select_option("#example-kind", "all")
    page.fill("#example-search", name)
    assert name in page.locator("#example-list h3").all_inner_texts()
    page.fill("#example-search", "no such words anywhere")
    assert page.locator("#example-list").inner_text() == "Nothing matches these filters."
    page.fill("#example-search", "")
    page.click("#example-next")
    assert page.locator("#example-page").inner_text() == "Page 2 of 15"
    page.select_option("#example-kind", "synthetic")
    assert page.locator("#example-list .hypothesis").count() > 0
    assert page.locator("#example-list", has_text="Exploit sample").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility_rules_hold(open_tab: Callable[..., Tab], scheme: str) -> None:
    rules = importlib.util.find_spec("axe_playwright_python")
    if rules is None or rules.origin is None:
        pytest.skip("the package axe-playwright-python is not installed")
    tab = open_tab(scheme=scheme, bypass_csp=True)  # the page's own policy would not let axe in
    tab.draw_all()
    tab.page.select_option("#leaderboard-below", "difference")
    for details in tab.page.query_selector_all("details.columns, #data-1-uu details"):
        details.evaluate("element => { element.open = true; }")
    tab.page.add_script_tag(path=Path(rules.origin).parent / "axe.min.js")
    # Only colours differ between the themes.
    rules_of = {"light": "{resultTypes: ['violations']}", "dark": "{runOnly: ['color-contrast']}"}
    found = tab.page.evaluate(f"axe.run({rules_of[scheme]})")
    assert len(found["passes"]) > (30 if scheme == "light" else 0)
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_a_phone_does_not_scroll_sideways(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(width=390, height=844, has_touch=True, is_mobile=True)
    tab.draw_all()
    sizes = tab.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes == [390, 390]
    wide = "charts => charts.filter(c => c.querySelector('svg').getBoundingClientRect().right > innerWidth).length"
    assert tab.page.locator(".chart").evaluate_all(wide) == 0
    assert tab.complaints == []


def test_printing_draws_what_was_not_yet_in_view(open_tab: Callable[..., Tab]) -> None:
    page = open_tab().page
    assert page.locator(".chart svg").count() < 16
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("document.querySelectorAll('.chart svg').length === 16")
    page.emulate_media(media="print")
    assert page.locator(".filters:visible").count() == 0


def test_the_page_of_a_valuation(browser: Any, valuation: ValuationReport, tmp_path: Path) -> None:
    path = tmp_path / "valuators.html"
    path.write_text(valuation_page([valuation], title="Values"), encoding="utf-8")
    for width in (1200, 390):
        context = browser.new_context(viewport={"width": width, "height": 900})
        tab = Tab(context.new_page())
        tab.page.on("console", lambda m, tab=tab: tab.complaints.append(m.text))
        tab.page.on("pageerror", lambda error, tab=tab: tab.complaints.append(str(error)))
        tab.page.goto(path.as_uri())
        tab.draw_all()
        assert (
            len(tab.page.query_selector_all("#data-1-curves svg .mark-line path")) == 4
        )  # two valuators, two curves each
        assert len(tab.page.query_selector_all("#data-1-agreement svg .mark-rect path")) == 4
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width
        assert not tab.complaints
        context.close()
