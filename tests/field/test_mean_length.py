import numpy as np
import pytest

from vlmrt_dist.campaign import Area, Campaign, RadioConfig, area_of
from vlmrt_dist.field import Materials, path_lengths, path_powers, trace, walls_of
from vlmrt_dist.scene import Layer, LayeredMaterial, SceneModel

RADIO = RadioConfig(max_depth=2)


def materials(room: SceneModel) -> dict[float, Materials]:
    at = RADIO.frequency
    parts = (room.conductivity(at), room.relative_permittivity(at), room.thickness)
    return {at: Materials(*parts)}


def test_a_direct_path_has_the_distance_of_its_antennas(room: SceneModel) -> None:
    """The second receiver is behind a box."""
    places = Campaign(np.array([[2.2, -3.0, 0.5]]), np.array([[[0.0, 0.0, 2.0], [3.8, -3.0, 0.5]]]))
    found = path_lengths(room, places, RADIO.replace(max_depth=0), materials(room))
    distance = float(np.linalg.norm(places.rx[0, 0] - places.tx[0]))
    np.testing.assert_allclose(found, [[distance, np.nan]], rtol=1e-9)


def test_lengths_are_weighted_by_the_power_of_their_paths(
    room: SceneModel, campaign: Campaign
) -> None:
    foil = LayeredMaterial("foil", (Layer("brick", 0.1), Layer("metal", 0.01)))
    mirrored = room.with_layers({"wall_west": foil})
    every = []
    for scene in (room, mirrored):
        at = materials(scene)
        found = path_lengths(scene, campaign, RADIO, at)
        table = trace(scene, campaign, RADIO)
        power = path_powers(table, RADIO, at[RADIO.frequency], walls_of(scene, RADIO.frequency))
        for link in (0, 11, 23):
            mine = table.link == link
            mean = (power[mine] * table.length[mine]).sum() / power[mine].sum()
            assert found.ravel()[link] == pytest.approx(mean, rel=1e-12)
        every.append(found)
    assert np.abs(every[1] - every[0]).max() > 0.05


def test_the_part_in_an_area_and_the_rest_are_the_whole(
    room: SceneModel, campaign: Campaign
) -> None:
    at = materials(room)
    (x0, y0), (x1, y1) = room.bounds[:, :2] + [[-1.0], [1.0]]
    split = 0.7

    def of(corners: list[list[float]]) -> np.ndarray:
        return path_lengths(room, campaign, RADIO, at, area=area_of(np.array(corners)))

    west = of([[x0, y0], [split, y0], [split, y1], [x0, y1]])
    east = of([[split, y0], [x1, y0], [x1, y1], [split, y1]])
    whole = of([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    np.testing.assert_allclose(west + east, whole, rtol=1e-9)
    # Paths of a ten-thousandth of the power are left out where an area is asked for.
    np.testing.assert_allclose(whole, path_lengths(room, campaign, RADIO, at), rtol=0.01)
    assert (west > 0.1).any()
    assert (east > 0.1).any()


def test_receivers_that_are_not_there_have_no_length(room: SceneModel, campaign: Campaign) -> None:
    present = campaign.present.copy()
    present[0, 2] = present[1, 0] = False
    padded = Campaign(campaign.tx, np.where(present[..., None], campaign.rx, np.nan),
                      present=present)  # fmt: skip
    area = Area.of_rings([[[-9.0, -9.0], [9.0, -9.0], [9.0, 9.0], [-9.0, 9.0]]])
    for given in (None, area):
        every = path_lengths(room, campaign, RADIO, materials(room), area=given)
        some = path_lengths(room, padded, RADIO, materials(room), area=given)
        assert np.isnan(some[~present]).all()
        np.testing.assert_allclose(some[present], every[present], rtol=1e-9)
