import numpy as np

from vlmrt_dist.campaign import RadioConfig, random_campaign
from vlmrt_dist.prediction.link_geometry import link_geometry, same_transmitters
from vlmrt_dist.scene import SceneModel


def crossed(scene: SceneModel, begin: np.ndarray, end: np.ndarray) -> dict[str, int]:
    """Surfaces of each class between two points, triangle by triangle (Möller and Trumbore)."""
    found: dict[str, int] = {}
    way = end - begin
    for item in scene.objects:
        a, b, c = np.moveaxis(item.vertices[item.faces], 1, 0)
        across = np.cross(way, c - a)
        det = ((b - a) * across).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = ((begin - a) * across).sum(axis=1) / det
            other = np.cross(begin - a, b - a)
            v = (way * other).sum(axis=1) / det
            t = ((c - a) * other).sum(axis=1) / det
        hit = (np.abs(det) > 1e-12) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < 1)
        # A hit on the edge between two triangles of a face is one crossing.
        found[item.material] = found.get(item.material, 0) + len(set(np.round(t[hit], 9)))
    return found


def test_walls_are_those_that_the_straight_line_passes_through(room: SceneModel) -> None:
    campaign = random_campaign(room, 3, 40, seed=1)
    links = link_geometry(room, campaign, RadioConfig(max_depth=1))
    assert links.walls.sum() > 4.0
    for m, n in np.argwhere(campaign.present):
        expected = crossed(room, campaign.tx[m], campaign.rx[m, n])
        assert dict(zip(links.classes, links.walls[m, n], strict=True)) == expected
    np.testing.assert_allclose(
        links.distance, np.linalg.norm(campaign.rx - campaign.tx[:, None], axis=2)
    )


def test_transmitters_are_the_same_within_a_centimetre() -> None:
    known = np.array([[0.0, 0.0, 1.0], [5.0, 0.0, 1.0]])
    here = np.array([[5.0, 0.004, 1.0], [0.0, 0.02, 1.0]])
    assert same_transmitters(here, known).tolist() == [[False, True], [False, False]]
