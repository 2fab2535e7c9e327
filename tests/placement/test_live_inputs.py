"""What stands for a scene or a campaign, given to every function that takes one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vlmrt_dist as vd
from tests.live_scenes import opened

RADIO = vd.RadioConfig(max_depth=1, frequency=5e9)


@pytest.mark.slow
def test_paths_live_scenes_and_frames_give_the_same_answers(tmp_path: Path) -> None:
    room = vd.box_room(1)
    file = room.write(tmp_path / "room")
    live = opened(file)
    live.frequency = 5e9
    places = vd.place("random", file, 2, 4, seed=1)
    np.testing.assert_array_equal(places.tx, vd.place("random", room, 2, 4, seed=1).tx)
    measured = vd.simulate(file, places, radio=RADIO, noise_db=0.1)
    assert measured.key == vd.simulate(room, places, radio=RADIO, noise_db=0.1).key
    table = vd.write_campaign(measured, tmp_path / "rss.csv")
    frame = pd.read_csv(table)
    solver = vd.LevenbergMarquardt(folds=0)
    expected = vd.estimate(room, measured, radio=RADIO, solver=solver)
    for scene, levels in ((file, table), (str(file), frame), (live, measured)):
        found = vd.estimate(scene, levels, radio=RADIO, solver=solver)
        np.testing.assert_allclose(found.conductivity, expected.conductivity, rtol=1e-4)
        assert found.verdict == expected.verdict
    prediction = vd.predicted_std(live, frame, radio=RADIO)
    assert prediction.posterior.shape == (room.num_objects,)
    profile = vd.profile(file, frame, "floor", points=5, radio=RADIO)
    assert len(profile.values) >= 5
    candidates = vd.CandidateOptions(num_tx=4, num_rx=8)
    ahead = vd.plan_next(live, table, expected, num_receivers=2, radio=RADIO, candidates=candidates)
    assert ahead.campaign.num_receivers == 2
    assert vd.propose_materials("offline", live, frequency=5e9).prior.names == room.names


@pytest.mark.slow
def test_a_live_scene_states_the_carrier(tmp_path: Path) -> None:
    live = opened(vd.box_room(0).write(tmp_path / "room"))
    live.frequency = 5e9
    radio = vd.from_sionna(live).radio
    places = vd.place("random", live, 1, 4, seed=1)
    measured = vd.simulate(live, places, noise_db=0.1)
    again = vd.simulate(live, places, noise_db=0.1, radio=radio)
    assert measured.key == again.key
    assert vd.estimate(live, measured).frequency == 5e9
