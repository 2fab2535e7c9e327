import dataclasses

import numpy as np
import pytest

from tests.numerics import PAPER
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.paths import path_cache, sionna_solver
from vlmrt_dist.paths.path_cache import PathCache
from vlmrt_dist.paths.path_table import ROWS, PathTable
from vlmrt_dist.scene.model import SceneModel


@pytest.fixture
def folder(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    return tmp_path / "paths"


def refuse_to_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("Sionna was asked")

    monkeypatch.setattr(sionna_solver, "LiveScene", refuse)


def test_a_second_trace_does_not_ask_sionna(
    room: SceneModel, campaign: Campaign, folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trace(room, campaign, PAPER)
    assert len(list(folder.glob("*.arrow"))) == 3
    refuse_to_trace(monkeypatch)
    assert trace(room, campaign, PAPER).key == first.key
    # Neither power nor combining changes a path.
    louder = PAPER.replace(tx_power_dbm=10.0, combining="coherent")
    assert trace(room, campaign.subset([1]), louder).setup_keys() == first.setup_keys()[1:2]
    with pytest.raises(AssertionError, match="Sionna was asked"):
        trace(room, campaign, PAPER, cache=False)


@pytest.mark.slow
def test_a_damaged_cache_file_is_traced_again(room: SceneModel, campaign: Campaign, folder) -> None:
    single = campaign.subset([0])
    first = trace(room, single, PAPER)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 1
    for content in (b"", whole[: len(whole) // 2], bytes(altered)):
        file.write_bytes(content)
        assert trace(room, single, PAPER).key == first.key
        assert len(file.read_bytes()) == len(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"frequency": 3.6e9},
        {"max_depth": 3},
        {"samples_per_src": 5001},
        {"seed": 2},
        {"path_set": "exact"},
        {"path_set": "united_solves"},
        {"max_reflections": 1},
    ],
)
def test_the_cache_key_changes_with_the_radio(
    room: SceneModel, campaign: Campaign, change: dict[str, object]
) -> None:
    setup = campaign.setups[0]
    key = PathCache(room, PAPER).setup_file(setup)
    assert PathCache(room, PAPER.replace(**change)).setup_file(setup) != key


@pytest.mark.parametrize(
    "change", [{"antenna_pattern": "dipole"}, {"polarization": "H"}, {"tx_power_dbm": 10.0}]
)
def test_other_antennas_have_the_same_paths(
    room: SceneModel, campaign: Campaign, change: dict[str, object]
) -> None:
    setup = campaign.setups[0]
    key = PathCache(room, PAPER).setup_file(setup)
    assert PathCache(room, PAPER.replace(**change)).setup_file(setup) == key


def test_the_cache_key_changes_with_the_scene_and_the_positions(
    room: SceneModel, campaign: Campaign
) -> None:
    setup = campaign.setups[0]
    moved = MeasurementSetup(setup.tx + np.array([0.0, 0.0, 1e-9]), setup.rx)
    objects = list(room.objects)
    objects[5] = dataclasses.replace(objects[5], thickness=0.11)
    other = dataclasses.replace(room, objects=tuple(objects))
    keys = {
        PathCache(scene, PAPER).setup_file(places)
        for scene, places in (
            (room, setup),
            (room, moved),
            (room, MeasurementSetup(setup.tx, setup.rx[::-1])),
            (other, setup),
        )
    }
    assert len(keys) == 4


def test_a_cache_that_cannot_be_written_does_not_lose_the_paths(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path, monkeypatch
) -> None:
    """Tracing may have taken minutes; a full or read-only disk must not throw that away."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way of a folder")
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(blocked))
    with pytest.warns(UserWarning, match="cache"):
        assert trace(room, campaign, PAPER).key == table.key


def test_a_large_campaign_is_one_file_that_is_mapped(
    room: SceneModel, campaign: Campaign, table: PathTable, folder, monkeypatch
) -> None:
    monkeypatch.setattr(path_cache, "MAPPED_LINKS", 24)
    first = trace(room, campaign, PAPER)
    (whole,) = folder.glob("campaign-*.arrow")
    assert len(list(folder.iterdir())) == 4
    for name in ROWS:  # an array of its own would end the chain of views
        assert not owns(getattr(first, name)), name
    seen: list[tuple[int, int]] = []
    refuse_to_trace(monkeypatch)
    again = trace(room, campaign, PAPER, progress=lambda _, *done: seen.append(done))
    assert seen == [(3, 3)]
    assert first.key == again.key == table.key
    np.testing.assert_array_equal(first.seconds, again.seconds)
    # Other receivers are another campaign; a damaged file is made from the setups' own.
    present = campaign.present.copy()
    present[0, 0] = False
    files = PathCache(room, PAPER)
    fewer = dataclasses.replace(campaign, present=present)
    monkeypatch.setattr(path_cache, "MAPPED_LINKS", 23)
    assert files.campaign_file(campaign) == whole
    assert files.campaign_file(fewer) not in (None, whole)
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    assert trace(room, campaign, PAPER).key == table.key
    assert whole.read_bytes() == content


def owns(array: np.ndarray) -> bool:
    """Whether the memory is NumPy's own, and not a file's."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return bool(array.flags.owndata)


def test_a_large_campaign_that_cannot_be_cached_is_not_lost(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path, monkeypatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way of a folder")
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(blocked))
    monkeypatch.setattr(path_cache, "MAPPED_LINKS", 24)
    with pytest.warns(UserWarning, match="cache"):
        assert trace(room, campaign, PAPER).key == table.key
