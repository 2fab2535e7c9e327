"""The page of ``vlmrt report``, opened in a real Chromium from a file."""

import base64
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import invoke
from tests.report.made_rows import DEPTH, HOSTILE, row, timing
from vlmrt_dist.report.charts import charts_of
from vlmrt_dist.report.data import Results, gather, groups_of
from vlmrt_dist.report.page import report_page
from vlmrt_dist.report.tables import tables_of
from vlmrt_dist.store.ledger import Ledger

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def test_what_a_sweep_drew_stands_with_its_times_and_without_what_is_for_programs(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path)
    label = json.dumps({"scene": "etoile", "busy": 1.23456, "rows": ["a" * 64]})
    timings = [dataclasses.replace(timing(k, "replay"), label=label) for k in (5, 9)]
    ledger.publish_timings("real_scenes", timings)
    png = b"\x89PNG drawn"
    (ledger.storage / "real_scenes.png").write(png)
    text = report_page(gather(ledger))
    assert text.count(base64.b64encode(png).decode()) == 1
    assert "etoile" in text
    assert ">1.235<" in text
    assert "a" * 64 not in text


def test_rows_that_no_sweep_of_ours_wrote_do_not_stop_the_report(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "results")
    for study in ("depth", "rays", "initialization", "placement", "receivers", "search", "noise"):
        ledger.publish(
            study,
            [dataclasses.replace(row(study, {}, s), label=label)
             for s, label in enumerate(("[]", "no JSON", '{"positions": 1, "N": "many"}'))],
        )  # fmt: skip
    alien = [dataclasses.replace(timing(k, "retrace"), label="[1]") for k in (5, 9)]
    ledger.publish_timings("complexity", alien)
    ledger.publish_timings("large_k", alien)
    command = ["report", str(tmp_path / "results"), "-o", str(tmp_path / "page.html")]
    told = invoke(*command)
    assert told.exit_code == 0, told.output
    assert "9 studies, 21 rows" in told.output
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_pictures_that_a_sweep_left_are_on_the_page(tmp_path: Path) -> None:
    from PIL import Image

    ledger = Ledger(tmp_path)
    ledger.publish("depth", DEPTH)
    assert "rooms" in {q.sweep for q in gather(ledger).missing}
    Image.new("RGB", (8, 6), "red").save(tmp_path / "rooms.png")
    found = gather(ledger)
    assert "rooms" not in {q.sweep for q in found.missing}
    encoded = base64.b64encode((tmp_path / "rooms.png").read_bytes()).decode()
    assert f'src="data:image/png;base64,{encoded}"' in report_page(found)


def test_the_command_says_what_to_do_where_there_is_nothing(tmp_path: Path) -> None:
    told = invoke("report", tmp_path, "-o", tmp_path / "p.html")
    assert told.exit_code == 2
    assert "vlmrt sweep depth --quick" in " ".join(told.output.split())
    assert not (tmp_path / "p.html").exists()


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.geteuid() == 0 and shutil.which("apt-get"):
        pytest.fail("there is no Chromium; make test installs it, or cluster/setup_chromium.sh")
    pytest.skip("there is no Chromium; get one with: sudo apt-get install chromium")


@pytest.fixture(scope="module")
def file(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(results), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Opened:
    """The page in a window, and all that went wrong there."""

    def __init__(self, browser: Any, file: Path, width: int = 1200, dark: bool = False) -> None:
        scheme = "dark" if dark else "light"
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=scheme)
        self.wrong: list[str] = []
        self.context.route(lambda url: not url.startswith("file:"), self._refuse)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.wrong.append(f"console: {m.text}"))
        self.page.on("pageerror", lambda e: self.wrong.append(f"error: {e}"))
        self.page.on("request", self._seen)
        self.requests: list[str] = []
        self.page.goto(file.as_uri())
        self.page.evaluate("places.forEach(draw)")
        self.page.wait_for_function("places.every((p) => p.hasAttribute('data-drawn'))")

    def _seen(self, request: Any) -> None:
        self.requests.append(request.url)

    def _refuse(self, route: Any) -> None:
        self.wrong.append(f"request: {route.request.url}")
        route.abort()

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.slow
def test_it_opens_without_network_or_errors_and_shows_every_table_and_figure(
    browser: Any, file: Path, results: Results
) -> None:
    with Opened(browser, file) as opened:
        at = opened.page
        short = at.locator(".caption + .box table")
        counted = sum(len(tables_of(s)) for s in results.studies)
        assert short.count() == counted + 2  # parts of the paper, provenance
        lines = at.locator("#study-depth .caption + .box tbody tr")
        assert lines.count() == len(groups_of(results.studies[0].rows)) == 3
        assert lines.nth(2).locator("td").all_inner_texts() == [
            "Adam, as the paper", "0.24", "0.070", "0.208 … 0.272", "400", "191"
        ]  # fmt: skip
        every = at.locator("#study-depth details.more")
        assert not every.locator("table").is_visible()
        every.locator("summary").click()
        assert every.locator("table").is_visible()
        assert len(every.locator("tbody tr").first.locator("td").all()) == 18
        charts = [c for s in results.studies for c in charts_of(s)]
        plots = at.locator(".plot[data-drawn] svg.main-svg").first
        assert plots.is_visible()
        assert at.locator(".plot[data-drawn]").count() == len(charts) + 2
        drawn = at.evaluate("document.getElementById('study-depth-error').querySelector('.plot')"
                            ".data.map((d) => [d.name, d.x, d.y])")  # fmt: skip
        assert drawn[0][1:] == [[1, 4, 6], [0.24, 0.24, 0.24]]
        assert drawn[1] == ["the paper, as printed", [1, 2, 4, 6], [0.467, 0.504, 0.273, 0.07]]
        figures = at.locator("#study-depth figure, #study-complexity figure").all()
        assert len(figures) > 3
        assert all(figure.locator("code").count() == 1 for figure in figures)
        assert opened.requests == [file.as_uri()]
        assert opened.wrong == []


@pytest.mark.slow
def test_foreign_text_stays_text(browser: Any, file: Path) -> None:
    with Opened(browser, file) as opened:
        at = opened.page
        assert at.evaluate("window.hacked") is None
        assert at.locator("main img, main td script").count() == 0
        assert HOSTILE in at.locator("#study-mine tbody th[scope=row]").first.inner_text()
        assert opened.wrong == []


@pytest.mark.slow
def test_the_keyboard_walks_through(browser: Any, file: Path, results: Results) -> None:
    with Opened(browser, file) as opened:
        at = opened.page
        at.keyboard.press("Tab")
        assert at.evaluate("document.activeElement.className") == "skip"
        assert at.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert at.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        reached = []
        for _ in range(len(results.studies) + 3):  # claims, the paper's parts, provenance
            at.keyboard.press("Tab")
            reached.append(at.evaluate("document.activeElement.getAttribute('href')"))
        sections = at.evaluate("[...document.querySelectorAll('section')].map((s) => '#' + s.id)")
        assert reached == sections
        at.keyboard.press("Enter")
        assert at.evaluate("location.hash") == "#provenance"
        at.locator(".skip").focus()
        at.keyboard.press("Enter")
        at.keyboard.press("Tab")
        # The first box of a table takes the focus, so that the arrow keys scroll it.
        assert at.evaluate("document.activeElement.tagName") in ("SUMMARY", "DIV")
        for _ in range(3):
            at.keyboard.press("Tab")
            if at.evaluate("document.activeElement.className") == "box":
                break
        assert at.evaluate("document.activeElement.className") == "box"


@pytest.mark.slow
def test_screen_readers_find_captions_scopes_and_names(browser: Any, file: Path) -> None:
    with Opened(browser, file) as opened:
        at = opened.page
        assert at.locator("details").count() > 1
        for table in at.locator("table").all():
            box = table.locator("xpath=..")
            assert box.get_attribute("aria-label") or box.get_attribute("aria-labelledby")
            assert table.locator("thead th:not([scope=col])").count() == 0
            assert table.locator("tbody tr > th[scope=row]").count() == (
                table.locator("tbody tr:not(.gt_group_heading_row)").count()
            )
        assert all(p.get_attribute("aria-label") for p in at.locator(".plot").all())
        assert at.locator("html[lang=en]").count() == at.locator("h1").count() == 1


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(400, False), (1300, True)])
def test_axe_finds_no_violation(browser: Any, file: Path, width: int, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with Opened(browser, file, width, dark) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
        found = Axe().run(opened.page)
        # Plotly's own drawing is one image to assistive programs, named by its aria-label.
        wrong = [
            (one["id"], node["html"][:200])
            for one in found.response["violations"] for node in one["nodes"]
            if "main-svg" not in node["html"]
        ]  # fmt: skip
        assert wrong == []
        assert len(found.response["passes"]) > 20


@pytest.mark.slow
def test_tables_fit_a_wide_window(browser: Any, file: Path) -> None:
    with Opened(browser, file, width=1300) as opened:
        over = opened.page.evaluate(
            "[...document.querySelectorAll('.caption + .box')]"
            ".map((b) => b.scrollWidth - b.clientWidth)"
        )
        assert max(over) == 0
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 1300
        ends = opened.page.locator(".findings li").last.bounding_box()
        assert ends["y"] + ends["height"] < 900  # the first screen


@pytest.mark.slow
def test_a_printed_page_shows_what_was_folded(browser: Any, file: Path) -> None:
    with Opened(browser, file) as opened:
        assert opened.page.locator("details[open]").count() < opened.page.locator("details").count()
        opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator("details:not([open])").count() == 0


@pytest.mark.slow
def test_a_narrow_window_scrolls_tables_and_not_the_page(browser: Any, file: Path) -> None:
    with Opened(browser, file, width=400) as opened:
        at = opened.page
        assert at.evaluate("document.documentElement.scrollWidth") == 400
        assert at.evaluate("[...document.querySelectorAll('.box')]"
                           ".some((b) => b.scrollWidth > b.clientWidth)")  # fmt: skip
        widths = at.evaluate("places.map((p) => p.getBoundingClientRect().width)")
        assert all(200 < w <= 400 for w in widths)
        assert opened.wrong == []


def luminance(color: str) -> float:
    r, g, b = (int(x) for x in re.findall(r"\d+", color)[:3])
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255


@pytest.mark.slow
def test_dark_and_light_follow_the_system(browser: Any, file: Path) -> None:
    for dark in (False, True):
        with Opened(browser, file, dark=dark) as opened:
            at = opened.page
            page_color = at.evaluate("getComputedStyle(document.body).backgroundColor")
            text_color = at.evaluate("getComputedStyle(document.body).color")
            assert (luminance(page_color) < 0.2) is dark
            assert abs(luminance(page_color) - luminance(text_color)) > 0.7
            plot = at.evaluate("places[0]._fullLayout.paper_bgcolor")
            at.emulate_media(color_scheme="light" if dark else "dark")
            at.wait_for_function("before => places[0]._fullLayout.paper_bgcolor !== before",
                                 arg=plot)  # fmt: skip
            assert opened.wrong == []
