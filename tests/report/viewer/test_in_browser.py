"""The 3D page in a real Chromium, opened from a file; its graphics are computed in software."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.test_page import FLAGS, chromium, luminance
from tests.report.viewer.test_page import HOSTILE, sheet
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.field import MapPlane, simulate
from vlmrt_dist.inference import LevenbergMarquardt, Noise, estimate, radio_map
from vlmrt_dist.report.map_files import write_map
from vlmrt_dist.report.viewer.page import SceneView, view
from vlmrt_dist.scene import SceneModel

pytestmark = pytest.mark.slow

RADIO = RadioConfig(max_depth=1)
SOFTWARE = [
    *(flag for flag in FLAGS if flag != "--disable-gpu"),
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
]  # fmt: skip
PATIENCE = 120_000
"""Milliseconds for a frame that a busy processor draws."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=SOFTWARE)
        yield browser
        browser.close()


class Opened:
    """The page in a window of some 800 pixels by default, and all that went wrong there."""

    def __init__(self, browser: Any, file: Path, width: int = 800, dark: bool = False) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 700}, color_scheme="dark" if dark else "light"
        )
        self.context.set_default_timeout(PATIENCE)
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda e: self.wrong.append(f"error: {e}"))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#plot[data-drawn]")

    def _told(self, message: Any) -> None:
        if "willReadFrequently" not in message.text:  # advice to the library
            self.wrong.append(message.text)

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, kind: object, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert self.wrong == []
            asked = [url for url in self.requests if not url.startswith("blob:")]  # its own data
            assert len(asked) == 1, asked


def written(page: SceneView, folder: Path) -> Path:
    return page.write(folder / "page.html")


@pytest.fixture(scope="module")
def file(room: SceneModel, campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    measured = simulate(room, campaign, radio=RADIO, noise_db=0.3, seed=5)
    result = estimate(
        room, measured, radio=RADIO, noise=Noise(0.3), solver=LevenbergMarquardt(folds=0)
    )
    return written(view(room, measured, result, radio=RADIO), tmp_path_factory.mktemp("view"))


def test_objects_links_and_sections_are_shown(browser: Any, file: Path) -> None:
    with Opened(browser, file) as at:
        names = at.locator("#colour option").all_inner_texts()
        assert names[:3] == ["conductivity", "width of the interval", "verdict"]
        faces = "plot.data.filter((t) => t.type === 'mesh3d').map((t) => t.i.length)"
        assert at.evaluate(faces) == [58, 0]
        colours = at.evaluate("[...plot.data[0].intensity]")
        assert len(set(colours)) > 4

        at.select_option("#links", "3")
        rows = at.locator("#link tbody tr")
        assert rows.count() == at.evaluate("data.links[3].count") > 1
        before = at.evaluate("plot._fullLayout.scene.camera.center")
        at.click("#tolink")
        at.wait_for_function("before => plot._fullLayout.scene.camera.center.x !== before.x",
                             arg=before)  # fmt: skip
        assert rows.first.inner_text().split("\t")[0] == at.evaluate(
            "data.paths.power[data.links[3].first].toFixed(1)"
        )

        at.evaluate("choose({ data: { meta: 'object' }, pointNumber: 0 })")
        assert at.locator("#object h3").inner_text() == "floor"
        assert "S/m" in at.locator("#object").inner_text()
        at.click("#hide")
        at.wait_for_function("plot.data[0].i.length === 56")
        at.click("#unhide")

        at.select_option("#axis", "2")
        at.wait_for_function("plot.data[0].z.length > 8")
        assert at.locator("#where").inner_text() == "2.10 m"
        lowest = "Math.max(...[...plot.data[0].i, ...plot.data[0].j, ...plot.data[0].k]"
        assert at.evaluate(lowest + ".map((n) => plot.data[0].z[n]))") == pytest.approx(2.1)
        at.check("#upper")
        at.wait_for_function(
            "Math.min(...[...plot.data[0].i].map((n) => plot.data[0].z[n])) > 2.09"
        )


def test_the_cut_faces_have_the_area_of_what_is_left(browser: Any, file: Path) -> None:
    """Walls of 3 m that are cut at 2.1 m keep 7 tenths of their area."""
    area = """() => {
      let sum = 0;
      const { place, corners, owner } = shown;
      for (let f = 0; f < owner.length; f += 1) {
        if (!data.names[owner[f]].startsWith("wall")) continue;
        const [a, b, c] = [0, 1, 2].map((d) =>
          [0, 1, 2].map((x) => place[x][corners[3 * f + d]]));
        const u = b.map((v, x) => v - a[x]);
        const w = c.map((v, x) => v - a[x]);
        sum += 0.5 * Math.hypot(u[1] * w[2] - u[2] * w[1], u[2] * w[0] - u[0] * w[2],
          u[0] * w[1] - u[1] * w[0]);
      }
      return sum;
    }"""
    with Opened(browser, file) as at:
        whole = at.evaluate(area)
        assert whole == pytest.approx(4 * 10.0 * 3.0, rel=1e-6)
        at.evaluate("() => { state.axis = 2; state.cut = 2.1; shown = cutFaces(); }")
        assert at.evaluate(area) == pytest.approx(0.7 * whole, rel=1e-5)
        at.evaluate("() => { state.upper = true; shown = cutFaces(); }")
        assert at.evaluate(area) == pytest.approx(0.3 * whole, rel=1e-5)


def test_what_lies_under_the_pointer_is_named_and_a_click_keeps_it(
    browser: Any, file: Path
) -> None:
    with Opened(browser, file) as at:
        box = at.locator("#plot").bounding_box()
        x, y = box["x"] + 0.45 * box["width"], box["y"] + 0.55 * box["height"]
        for step in range(40):
            at.mouse.move(x + step % 2, y)
            at.wait_for_timeout(250)
            if at.locator("#tip").is_visible():
                break
        told = at.locator("#tip").inner_text().splitlines()
        at.mouse.click(x, y)
        at.wait_for_selector("#object h3")
        assert at.locator("#object h3").inner_text() == told[0]
        assert told[1].startswith("material: ")
        assert "S/m" in told[2]


def test_it_is_saved_as_a_picture(browser: Any, file: Path, tmp_path: Path) -> None:
    from PIL import Image

    with Opened(browser, file) as at:
        with at.expect_download() as download:
            at.click("#save")
        assert download.value.suggested_filename == "box_room.png"
        download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as image:
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 100


def test_foreign_names_stay_text(browser: Any, tmp_path: Path) -> None:
    scene = SceneModel(
        HOSTILE,
        (sheet(HOSTILE, HOSTILE, conductivity=0.1, relative_permittivity=3.0, at=1.0),
         sheet("{{script}}", conductivity=0.2, relative_permittivity=2.0)),
        np.array([[0.0, 0.0, 0.0], [3.0, 3.0, 3.0]]),
    )  # fmt: skip
    with Opened(browser, written(view(scene), tmp_path)) as at:
        at.select_option("#colour", "1")
        at.evaluate("choose({ data: { meta: 'object' }, pointNumber: 0 })")
        assert at.locator("#object h3").inner_text() == HOSTILE
        assert at.title() == f"{HOSTILE}: 2 objects"
        assert at.evaluate("window.hacked") is None
        assert at.locator("img").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_maps_of_each_quantity_are_drawn(
    browser: Any, room: SceneModel, dark: bool, tmp_path: Path
) -> None:
    found = radio_map(
        room, [[0.0, 0.0, 2.0], [-4.0, -4.0, 2.0]], radio=RADIO,
        plane=MapPlane(height=0.6, cell_size=0.5),
    )  # fmt: skip
    path = write_map(found, tmp_path / "map.html", scene=room)
    with Opened(browser, path, width=400, dark=dark) as at:
        assert at.evaluate("document.documentElement.scrollWidth") == 400
        at.select_option("#quantity", "1")
        at.select_option("#tx", "1")
        at.wait_for_function("plot.data[2].x[0] === -4")
        drawn = np.array(at.evaluate("plot.data[0].z"), float)
        np.testing.assert_allclose(drawn, found.prior_std_db[1], rtol=1e-6)
        assert np.isnan(drawn[~found.free]).all()
        assert at.locator("#range").inner_text().startswith("transmitter 2 at (-4, -4, 2): ")
        ground = luminance(at.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert (ground < 0.2) is dark


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_window_and_the_dark(browser: Any, file: Path, dark: bool) -> None:
    with Opened(browser, file, width=400, dark=dark) as at:
        assert at.evaluate("document.documentElement.scrollWidth") == 400
        assert at.locator("#plot").bounding_box()["width"] > 350
        assert at.evaluate("plot.data[0].colorbar.orientation") == "h"
        ground = luminance(at.evaluate("getComputedStyle(document.body).backgroundColor"))
        ink = luminance(at.evaluate("getComputedStyle(document.body).color"))
        assert (ground < 0.2) is dark
        assert abs(ground - ink) > 0.7
        drawn = at.evaluate("plot._fullLayout.paper_bgcolor")
        at.emulate_media(color_scheme="light" if dark else "dark")
        at.wait_for_function("before => plot._fullLayout.paper_bgcolor !== before", arg=drawn)
