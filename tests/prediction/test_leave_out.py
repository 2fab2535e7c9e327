import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import LevenbergMarquardt, Noise, estimate
from vlmrt_dist.prediction import leave_one_out
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=1)
QUICK = LevenbergMarquardt(folds=0, starts=1, posterior="normal")


@pytest.fixture(scope="module")
def measured(room: SceneModel, campaign: Campaign) -> Campaign:
    return simulate(room, campaign, radio=RADIO, noise_db=0.5, seed=3)


def test_a_setup_is_predicted_by_a_fit_without_it(room: SceneModel, measured: Campaign) -> None:
    found = leave_one_out(room, measured, by="setup", radio=RADIO, solver=QUICK)
    assert "each setup was predicted by fits without it (3 fits)" in found.protocol
    others = estimate(room, measured.subset([0, 2]), radio=RADIO, solver=QUICK)
    plain = simulate(
        room.with_materials(conductivity=others.fitted), measured.subset([1]), radio=RADIO
    )
    assert plain.rss_dbm is not None
    np.testing.assert_allclose(found.models[0].level_dbm[found.setup == 1], plain.rss_dbm[0])
    assert 0.8 < found.models[0].inside <= 1.0


def test_every_link_is_predicted_once(room: SceneModel, measured: Campaign) -> None:
    few = measured.subset([0])
    found = leave_one_out(room, few, radio=RADIO, solver=QUICK, noise=Noise(gain_offset_db=3.0))
    assert len(found.measured_dbm) == few.num_links
    constant = found["constant"]
    assert few.rss_dbm is not None
    for i, level in enumerate(found.measured_dbm):
        others = np.delete(found.measured_dbm, i)
        assert constant.error_db[i] == pytest.approx(others.mean() - level)


def test_links_of_one_place_are_left_out_together(room: SceneModel, measured: Campaign) -> None:
    rx = measured.rx.copy()
    rx[1, :4] = rx[0, :4] + 0.001  # the same four places
    places = Campaign(measured.tx[:2], rx[:2, :4])
    both = simulate(room, places, radio=RADIO, noise_db=0.5)
    found = leave_one_out(room, both, by="receiver", radio=RADIO, solver=QUICK)
    assert "(4 fits)" in found.protocol


def test_slips_are_refused(room: SceneModel, measured: Campaign) -> None:
    with pytest.raises(ConfigurationError, match="unknown leave-out"):
        leave_one_out(room, measured, by="pair")  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="only one setup to leave out"):
        leave_one_out(room, measured.subset([0]), by="setup", radio=RADIO)
