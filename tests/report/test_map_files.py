import base64
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import RadioMap
from vlmrt_dist.report.map_files import GeoOrigin, bands_of, origin_of, write_map
from vlmrt_dist.report.plotting.coverage import section
from vlmrt_dist.scene import SceneModel


@pytest.fixture
def found() -> RadioMap:
    """Two transmitters over 3 × 4 cells, one of them inside something, one unreached by the first
    transmitter."""
    level = -40.0 - np.arange(24.0).reshape(2, 3, 4)
    level[:, 1, 2] = np.nan
    level[0, 0, 0] = np.nan
    free = np.ones((3, 4), bool)
    free[1, 2] = False
    return RadioMap(
        tx=np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]]), x=np.arange(4.0) * 0.5,
        y=10.0 + np.arange(3.0) * 0.5, height=1.5, size=0.5, tx_power_dbm=30.0, frequency=3.5e9,
        free=free, prior_dbm=level, prior_std_db=0.0 * level + 0.7, calibrated_dbm=level + 1.0,
        calibrated_std_db=0.0 * level + 0.2,
    )  # fmt: skip


def test_numpy_files_hold_the_coordinates_and_sionna_s_arrays(
    found: RadioMap, tmp_path: Path
) -> None:
    write_map(found, tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as stored:
        np.testing.assert_array_equal(stored["cell_centers"][2, 3], [1.5, 11.0, 1.5])
        np.testing.assert_array_equal(stored["difference_db"], found.difference_db)
        np.testing.assert_allclose(10.0 * np.log10(stored["path_gain"]), found.level_dbm - 30.0)
        assert stored["cell_size"].tolist() == [0.5, 0.5]
        assert not stored["free"][1, 2]


def test_a_tiff_has_north_up_and_a_band_for_each_quantity(found: RadioMap, tmp_path: Path) -> None:
    write_map(found, tmp_path / "map.tif")
    with tifffile.TiffFile(tmp_path / "map.tif") as file:
        pixels = file.asarray()
        tags = file.pages[0].tags
        assert "transmitter 2: calibrated minus prior [dB]" in tags[42112].value
        assert tags[42113].value == "nan"
        assert 33550 not in tags  # no origin, no geo-reference
    assert pixels.shape == (10, 3, 4)
    for band, (_, values) in zip(pixels, bands_of(found), strict=True):
        np.testing.assert_allclose(band[::-1], values, rtol=1e-6)


def test_an_origin_makes_the_scene_s_axes_easting_and_northing(
    found: RadioMap, tmp_path: Path
) -> None:
    write_map(found, tmp_path / "map.tif", origin=GeoOrigin(48.137, 11.575))
    with tifffile.TiffFile(tmp_path / "map.tif") as file:
        page = file.pages[0]
        assert page.geotiff_tags["ProjNatOriginLatGeoKey"] == 48.137
        assert page.geotiff_tags["ProjNatOriginLongGeoKey"] == 11.575
        assert page.geotiff_tags["ModelPixelScale"] == [0.5, 0.5, 0.0]
        # The upper left corner of the upper left pixel.
        assert page.geotiff_tags["ModelTiepoint"] == [0.0, 0.0, 0.0, -0.25, 11.25, 0.0]


@pytest.mark.slow
def test_a_figure_is_drawn_of_every_kind_of_map(
    found: RadioMap, room: SceneModel, tmp_path: Path
) -> None:
    from PIL import Image

    write_map(found, tmp_path / "both.png", scene=room)
    with Image.open(tmp_path / "both.png") as image:
        assert image.width > image.height
    only = RadioMap(
        found.tx[:1], found.x, found.y, 1.5, 0.5, 30.0, 3.5e9, found.free, found.prior_dbm[:1],
        found.prior_std_db[:1] * np.nan,
    )  # fmt: skip
    write_map(only, tmp_path / "prior.pdf")
    assert (tmp_path / "prior.pdf").read_bytes().startswith(b"%PDF")


def test_the_section_is_the_outline_of_what_the_plane_cuts(room: SceneModel) -> None:
    cut = section(room, 0.4)
    box = next(o for o in room.objects if o.name == "box_marble").vertices
    low, high = box[:, :2].min(0), box[:, :2].max(0)
    middle = cut.mean(axis=1)
    own = cut[((middle >= low - 1e-9) & (middle <= high + 1e-9)).all(axis=1)]
    length = np.linalg.norm(own[:, 0] - own[:, 1], axis=1).sum()
    assert length == pytest.approx(2.0 * (high - low).sum())


def test_a_page_holds_every_map_and_no_foreign_markup(
    found: RadioMap, room: SceneModel, tmp_path: Path
) -> None:
    hostile = "</script><script>window.hacked = 1</script>"
    scene = dataclasses.replace(room, name=hostile)
    text = write_map(found, tmp_path / "map.html", scene=scene).read_text()
    assert "<script>window.hacked" not in text
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert held is not None
    data = json.loads(held[1])
    assert [q["unit"] for q in data["quantities"]] == ["dBm", "dBm", "dB", "dB"]
    for values, each in zip(
        (found.prior_dbm, found.calibrated_dbm, found.difference_db, found.std_db),
        data["quantities"], strict=True,
    ):  # fmt: skip
        assert values is not None
        for t, encoded in enumerate(each["maps"]):
            stored = np.frombuffer(base64.b64decode(encoded), "<f4").reshape(3, 4)
            np.testing.assert_allclose(stored, values[t], rtol=1e-6)
    assert len(data["said"]) == len(data["tx"]) == 2


@pytest.mark.parametrize("text", ["", "48", "48,11,5,6", "north,east", "nan,0", "91,0", "0,181"])
def test_no_origin_is_guessed(text: str) -> None:
    with pytest.raises(ConfigurationError, match="origin must be"):
        origin_of(text)


def test_other_endings_are_refused(found: RadioMap, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"must end in \.png"):
        write_map(found, tmp_path / "map.jpg")
