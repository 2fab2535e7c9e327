import pickle

import numpy as np
import pytest

from vlmrt_dist.campaign.antenna import Antenna, Antennas, antennas_of, planar_array
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.pattern_table import PatternTable
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.paths import rt


def of(campaign: Campaign) -> Antennas:
    assert campaign.antennas is not None
    return campaign.antennas


def small() -> Campaign:
    """Two setups of two receivers and of one."""
    return Campaign(
        np.zeros((2, 3)), np.ones((2, 2, 3)), present=np.array([[True, True], [True, False]])
    )


def test_the_default_is_isotropic_and_vertical() -> None:
    plain = Antenna()
    assert (plain.pattern, plain.slants, plain.orientation) == ("iso", (0.0,), (0.0, 0.0, 0.0))
    assert plain.ports == (0,)
    assert {plain, Antenna(polarization=0.0)} == {plain}
    assert plain != Antenna(polarization="H")


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"orientation": (90.0, 0.0, 0.0)}, "np.radians"),
        ({"orientation": (0.0, 0.0)}, "yaw, pitch and roll"),
        ({"orientation": (np.nan, 0.0, 0.0)}, "finite"),
        ({"polarization": 45.0}, "np.radians"),
        ({"polarization": "v"}, "V, H, VH, cross"),
        ({"polarization": (0.0, 0.1, 0.2)}, "one or two slants"),
        ({"pattern": "yagi"}, "read_pattern"),
        ({"power_dbm": np.inf}, "power_dbm"),
        ({"power_dbm": True}, "power_dbm"),
        ({"elements": np.zeros((2, 2))}, "wavelengths"),
        ({"elements": np.array([[0.0, 0.0, 3500.0]])}, "wavelengths"),
        ({"port": 1}, "ports 0 to 0"),
    ],
)
def test_impossible_antennas_are_refused(wrong: dict, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        Antenna(**wrong)


def test_degrees_are_taken_by_name() -> None:
    assert Antenna.in_degrees(yaw=180.0, pitch=-90.0).orientation == (np.pi, -np.pi / 2, 0.0)


@pytest.mark.parametrize("target", [[3.0, 1.0, 0.5], [-2.0, -2.0, 4.0], [0.0, 0.0, 9.0]])
def test_an_aimed_antenna_looks_as_sionnas_does(target: list[float]) -> None:
    device = rt.Transmitter("tx", position=[0.0, 0.0, 1.0])
    device.look_at(target)
    ours = Antenna().aimed([0.0, 0.0, 1.0], target).orientation
    expected = np.asarray(device.orientation).ravel()
    np.testing.assert_allclose(np.exp(1j * np.array(ours)), np.exp(1j * expected), atol=2e-6)


def test_an_antenna_is_not_aimed_at_itself() -> None:
    with pytest.raises(ConfigurationError, match="direction"):
        Antenna().aimed([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 1)])
def test_arrays_are_numbered_as_sionnas(shape: tuple[int, int]) -> None:
    theirs = rt.PlanarArray(
        num_rows=shape[0], num_cols=shape[1], pattern="iso", polarization="VH",
        vertical_spacing=0.7, horizontal_spacing=0.4,
    )  # fmt: skip
    ours = planar_array(*shape, vertical_spacing=0.7, horizontal_spacing=0.4)
    np.testing.assert_allclose(ours, np.asarray(theirs.normalized_positions).T, atol=1e-6)
    antenna = Antenna(polarization="VH", elements=ours)
    assert len(antenna.ports) == theirs.num_ant
    assert antenna.of_port(len(ours))[0] == np.pi / 2


def test_pairs_of_ports_are_links_of_their_own_or_averaged() -> None:
    dual = Antenna(polarization="VH")
    with pytest.raises(CampaignError, match=r"setup 1, receiver 1 has 4 pairs of ports"):
        small().with_antennas(dual, dual)
    assert of(small().with_antennas(dual, dual, average="db")).pairs.tolist() == [
        [4, 4],
        [4, 0],
    ]
    split = small().with_antennas(dual, dual, split=True)
    assert (split.num_setups, split.num_receivers) == (4, 4)
    assert split.present.sum(axis=1).tolist() == [4, 4, 2, 2]
    ports = [of(split).kinds[k].port for k in of(split).rx[0]]
    assert ports == [0, 1, 0, 1]
    with pytest.raises(CampaignError, match="levels were measured"):
        small().with_rss(np.ones((2, 2))).with_antennas(dual, split=True)


def test_every_device_has_its_own_antenna() -> None:
    a, b, c = (Antenna(name=name) for name in "abc")
    given = of(small().with_antennas([a, b], [b, c]))
    assert [given.kinds[k].name for k in given.tx] == ["a", "b"]
    assert [given.kinds[k].name for k in given.rx[0]] == ["b", "c"]
    assert given.rx[1, 1] == -1
    nested = of(small().with_antennas(a, [[a, b], [c, c]]))
    assert [nested.kinds[k].name for k in nested.rx[0]] == ["a", "b"]
    for wrong in ([a, b, c], "iso", [[a], [b]]):
        with pytest.raises(CampaignError):
            small().with_antennas(rx=wrong)
    with pytest.raises(CampaignError, match="transmit power"):
        small().with_antennas(rx=Antenna(power_dbm=10.0))


def test_antennas_are_part_of_a_campaign() -> None:
    plain = small()
    turned = plain.with_antennas([Antenna(), Antenna.in_degrees(yaw=10.0)])
    assert len({plain.key, plain.with_antennas().key, turned.key}) == 3
    second = of(turned.subset([1]))
    assert second.kinds[second.tx[0]].orientation[0] > 0.0
    copy = pickle.loads(pickle.dumps(turned))
    assert copy.key == turned.key
    assert turned.with_rss(np.ones((2, 2))).antennas is not None
    with pytest.raises(CampaignError, match="2 setups of 2 receivers"):
        Campaign(np.zeros((2, 3)), np.ones((2, 2, 3)), antennas=antennas_of(np.ones((1, 2), bool)))
    order = Antennas((Antenna(), Antenna(name="b")), np.array([1, 0]), np.array([[0, 0], [0, -1]]))
    other = Antennas((Antenna(name="b"), Antenna()), np.array([0, 1]), np.array([[1, 1], [1, -1]]))
    assert order.key == other.key


def grid(step: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    theta = np.radians(np.arange(0.0, 180.0 + step / 2, step))
    return theta, np.radians(np.arange(0.0, 360.0, step))


def test_tables_of_gain_and_of_fields() -> None:
    theta, phi = grid()
    gain = np.zeros((len(theta), len(phi)))
    table = PatternTable.of_gain(theta, phi, gain)
    assert (table.field == 1.0).all()
    assert not table.polarimetric
    both = PatternTable(theta, phi, np.stack([gain + 0.6, gain + 0.8j], axis=2))
    assert both.polarimetric
    assert table == PatternTable.of_gain(theta, phi, gain) != both
    assert pickle.loads(pickle.dumps(both)) == both


def test_tables_that_are_none_are_refused() -> None:
    theta, phi = grid()
    gain = np.zeros((len(theta), len(phi)))
    hole = gain.copy()
    hole[3, 4] = np.nan
    few = [0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
    cases = [
        ((np.degrees(theta), phi, gain), "np.radians"),
        ((theta - np.pi / 2, phi, gain), "counted from the zenith"),
        ((theta[:10], phi, gain[:10]), "not over the sphere"),
        ((theta[few], phi, gain[few]), "holes: theta has a gap of 60°"),
        ((theta, phi[:20], gain[:, :20]), "holes: phi has a gap of 170°"),
        ((theta, np.append(phi, phi[0] + 2 * np.pi), np.zeros((19, 37))), "leave the last angle"),
        ((theta, phi, hole), "holes: a direction has no gain"),
        ((theta, phi, gain + 100.0), "gains are between"),
        ((theta, phi, gain + 20.0), "radiates 100 times"),
        ((theta, phi, gain[:5]), "got shape"),
        ((theta[::-1], phi, gain), "ascend"),
    ]
    for arguments, remedy in cases:
        with pytest.raises(ConfigurationError, match=remedy):
            PatternTable.of_gain(*arguments)
    with pytest.raises(ConfigurationError, match="of_gain"):
        PatternTable(theta, phi, gain - 3.0)
    with pytest.raises(ConfigurationError, match="components"):
        PatternTable(theta, phi, gain + 1j)
