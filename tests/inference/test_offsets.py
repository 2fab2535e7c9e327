"""Offsets that links share: which links, and what sharing tells apart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.commands import invoke
from vlmrt_dist.campaign import Campaign, write_campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.offsets import offsets_of
from vlmrt_dist.scene import SceneModel, SceneObject

NAN = float("nan")
TX = [[0.0, 0.0, 1.5], [9.0, 0.0, 1.5], [0.0, 0.0, 1.5]]
RX = [[1.0, 2.0, 1.0], [2.0, 2.0, 1.0]]


def places() -> Campaign:
    """The first and third transmitter are one, the second receiver is that of two setups."""
    rx = np.array([RX, [RX[1], [NAN] * 3], [[5.0, 5.0, 1.0], [6.0, 5.0, 1.0]]])
    present = np.array([[True, True], [True, False], [True, True]])
    return Campaign(np.array(TX), rx, present=present)


@pytest.mark.parametrize(
    ("shared", "names", "of_link"),
    [
        ("setup", ("setup 1", "setup 2", "setup 3"), [[0, 0], [1, -1], [2, 2]]),
        (
            "device",
            ("transmitter of setups 1, 3", "transmitter of setup 2"),
            [[0, 0], [1, -1], [0, 0]],
        ),
        ("campaign", ("the campaign",), [[0, 0], [0, -1], [0, 0]]),
        (
            "receiver",
            ("receiver at 1, 2, 1 m", "receiver at 2, 2, 1 m", "receiver at 5, 5, 1 m",
             "receiver at 6, 5, 1 m"),
            [[0, 1], [1, -1], [2, 3]],
        ),
        ({2: "roof", 3: "roof"}, ("setup 1", "roof (setups 2, 3)"), [[0, 0], [1, -1], [1, 1]]),
        # A device that is called like a setup is not that setup.
        ({2: "setup 1"}, ("setup 1", "setup 1 (setup 2)", "setup 3"), [[0, 0], [1, -1], [2, 2]]),
    ],
)  # fmt: skip
def test_who_shares(shared: Any, names: tuple[str, ...], of_link: list[list[int]]) -> None:
    found = offsets_of(places(), shared)
    assert found.names == names
    assert found.of_link.tolist() == of_link


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="names setup 4, but the campaign has 3"):
        offsets_of(places(), {4: "roof"})
    with pytest.raises(ConfigurationError, match="explain its one level"):
        offsets_of(places().subset([1, 2]), "receiver")


def plate(name: str, height: float) -> SceneObject:
    corners = np.array([[-20, -20, height], [20, -20, height], [20, 20, height], [-20, 20, height]])
    return SceneObject(name, "concrete", corners, np.array([[0, 1, 2], [0, 2, 3]]), thickness=0.2)


def two_floors() -> tuple[SceneModel, Campaign]:
    """A ground and a slab; one transmitter, in one setup heard on its own floor and in another one
    on the floor above."""
    scene = SceneModel(
        "floors", (plate("ground", 0.0), plate("slab", 3.0)),
        np.array([[-20.0, -20.0, 0.0], [20.0, 20.0, 6.0]]),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    rx = np.concatenate([rng.uniform(-6.0, 6.0, (2, 8, 2)), np.zeros((2, 8, 1))], axis=2)
    rx[0, :, 2], rx[1, :, 2] = 1.0, 4.5
    return scene, Campaign(np.array([[0.0, 0.0, 1.5]] * 2), rx)


def measured_floors(offset: float) -> tuple[SceneModel, Campaign, vd.RadioConfig]:
    scene, planned = two_floors()
    radio = vd.RadioConfig(max_depth=2)
    truth = scene.conductivity(radio.frequency) * np.array([1.0, 3.0])
    campaign = vd.simulate(scene, planned, conductivity=truth, radio=radio, noise_db=0.5, seed=1)
    assert campaign.rss_dbm is not None
    return scene, campaign.with_rss(campaign.rss_dbm + offset), radio


def test_a_slab_is_told_from_the_offset_that_both_of_its_sides_share() -> None:
    scene, campaign, radio = measured_floors(-4.0)
    truth = 3.0 * scene.conductivity(radio.frequency)[1]

    def found(shared: Any) -> vd.Estimate:
        return vd.estimate(
            scene, campaign, radio=radio, prior=vd.Prior(1.5),
            parameters=vd.Parameters(fixed=("ground",)),
            noise=vd.Noise(gain_offset_db=np.inf, gain_shared=shared),
        )  # fmt: skip

    apart, together = found("setup"), found("device")
    assert together.verdict[1] == "estimated"
    assert together.low[1] <= truth <= together.high[1]
    assert together.std[1] < 0.4 * apart.std[1]
    assert together.gains is not None
    assert together.gains.names == ("transmitter of setups 1, 2",)
    assert abs(together.gains.value[0] + 4.0) < 3.0 * together.gains.std[0] < 2.0
    np.testing.assert_allclose(together.gains.by_link, together.gains.value[0])
    same = found({1: "one", 2: "one"})
    np.testing.assert_array_equal(same.conductivity, together.conductivity)
    for each in (together, found("campaign")):
        np.testing.assert_allclose(each.conductivity, together.conductivity, rtol=1e-6)
    assert "transmitter of setups 1, 2" in str(together)
    assert together.to_dict()["gains_db"][0]["setups"] == [1, 2]


def test_receivers_with_offsets_of_their_own() -> None:
    """Four receivers, each heard from three places, one of them 6 dB too loud."""
    scene, _ = two_floors()
    rng = np.random.default_rng(1)
    fixed = np.concatenate([rng.uniform(-6.0, 6.0, (4, 2)), np.full((4, 1), 1.0)], axis=1)
    tx = np.array([[-3.0, 1.0, 1.5], [2.0, -4.0, 1.5], [4.0, 3.0, 1.5]])
    radio = vd.RadioConfig(max_depth=1)
    planned = Campaign(tx, np.repeat(fixed[None], 3, axis=0))
    campaign = vd.simulate(scene, planned, radio=radio, noise_db=0.1, seed=2)
    assert campaign.rss_dbm is not None
    campaign = campaign.with_rss(campaign.rss_dbm + np.array([0.0, 0.0, 6.0, 0.0]))
    found = vd.estimate(
        scene, campaign, radio=radio,
        noise=vd.Noise(gain_offset_db=5.0, gain_shared="receiver"),
    )  # fmt: skip
    assert found.gains is not None
    offset = found.gains.value - np.median(found.gains.value)
    np.testing.assert_allclose(offset, [0.0, 0.0, 6.0, 0.0], atol=0.5)


def test_the_command_shares_offsets(tmp_path: Path) -> None:
    scene, campaign, radio = measured_floors(2.0)
    xml, rss = scene.write(tmp_path / "scene", frequency=radio.frequency), tmp_path / "rss.csv"
    write_campaign(campaign, rss)
    asked = ("estimate", "--scene", xml, "--headroom", "3", "--measurements", rss,
             "--max-depth", "2", "--fixed", "ground")  # fmt: skip
    done = invoke(*asked, "--gain-offset-db", "inf", "--share", "device", "--json")
    assert done.exit_code == 0, done.stderr
    shared = json.loads(done.stdout)["gains_db"]
    assert [row["name"] for row in shared] == ["transmitter of setups 1, 2"]
    done = invoke(*asked, "--share", "device")
    assert done.exit_code == 2
    assert "--gain-offset-db" in done.stderr
    done = invoke(*asked, "--gain-offset-db", "1", "--share", "side")
    assert done.exit_code == 2
    assert "device" in done.stderr
