import dataclasses

import numpy as np
import pytest

from tests.numerics import PAPER, materials
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import StorageError, UnsupportedByReplay
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.paths.path_files import load_paths
from vlmrt_dist.paths.path_table import PathTable
from vlmrt_dist.scene.model import SceneModel


def test_the_same_again(room: SceneModel, campaign: Campaign, table: PathTable) -> None:
    assert trace(room, campaign, PAPER, cache=False).key == table.key


def test_setups_one_by_one_are_the_setups_together(
    room: SceneModel, campaign: Campaign, table: PathTable
) -> None:
    for m in (2, 0):
        alone = trace(room, campaign.subset([m]), PAPER, cache=False)
        assert alone.setup_keys() == [table.setup_keys()[m]]


@pytest.mark.slow
def test_padded_receivers_have_no_paths(room: SceneModel, campaign: Campaign) -> None:
    present = np.ones((3, 8), bool)
    present[0, [1, 5]] = present[2, 0] = False
    whole = trace(room, campaign, PAPER)
    ragged = trace(room, dataclasses.replace(campaign, present=present), PAPER, cache=False)
    kept = present[whole.setup, whole.receiver]
    assert ragged.key == whole.rows(kept).key
    assert (ragged.paths_per_link[~present] == 0).all()


@pytest.mark.parametrize("wanted", ["diffraction"])
def test_what_replay_does_not_model_is_refused_by_name(
    room: SceneModel, campaign: Campaign, wanted: str
) -> None:
    with pytest.raises(UnsupportedByReplay, match=f"{wanted}.*retrace"):
        trace(room, campaign, PAPER.replace(**{wanted: True}))


def test_progress_counts_setups(room: SceneModel, campaign: Campaign) -> None:
    seen: list[tuple[int, int]] = []
    trace(room, campaign, PAPER, progress=lambda _, done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_table_that_is_kept_is_the_table(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path
) -> None:
    file = tmp_path / "paths.arrow"
    kept = trace(room, campaign, PAPER, keep=file)
    assert kept.key == table.key
    assert load_paths(file, [1]).setup_keys() == table.setup_keys()[1:2]
    for name in ("margin", "complete_to"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(table, name))
    assert ((kept.seconds_in_solver > 0.0) & (kept.seconds_in_solver < kept.seconds)).all()
    assert [f.name for f in tmp_path.iterdir()] == ["paths.arrow"]


def test_a_place_that_cannot_be_kept_at_is_said_at_once(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path
) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(StorageError, match="cannot write"):
        trace(
            room, campaign, PAPER, keep=tmp_path / "no" / "paths.arrow",
            progress=lambda _, *done: seen.append(done),
        )  # fmt: skip
    assert len(seen) <= 1


def test_setups_of_one_transmitter_are_told_apart_whatever_the_antennas(room: SceneModel) -> None:
    """Their geometry is searched as one setup."""
    dipole = RadioConfig(max_depth=1, antenna_pattern="dipole")
    one = random_campaign(room, 1, 6, seed=2)
    parts = [MeasurementSetup(one.tx[0], one.rx[0, i : i + 3]) for i in (0, 3)]
    both = Campaign.from_setups(parts)
    table = trace(room, both, dipole, cache=False)
    assert (table.num_setups, table.num_receivers) == (2, 3)
    rss = Replay(table, dipole).rss(materials(room))
    alone = Replay(trace(room, one, dipole, cache=False), dipole).rss(materials(room))
    np.testing.assert_array_equal(rss.ravel(), alone.ravel())
