"""Wedges, and the geometry of diffracted paths."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.field.test_diffraction import RX, TX, block, scene_of, sheet, wall_and_building
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.field import trace
from vlmrt_dist.paths import (
    DIFFRACTION,
    EdgeRows,
    PathTable,
    load_paths,
    path_points,
    prepare_scene,
)
from vlmrt_dist.paths.exact.wedges import Wedges, wedges_of
from vlmrt_dist.paths.path_files import stream_paths
from vlmrt_dist.scene import SceneModel

pytestmark = pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.CoincidentSurfaces")


def wedges(scene: SceneModel, *, free_edges: bool = False) -> Wedges:
    return wedges_of(scene, prepare_scene(scene), free_edges=free_edges)


@pytest.fixture(scope="module")
def table() -> PathTable:
    campaign = Campaign(np.stack([TX, TX + 0.5]), np.stack([RX, RX]))
    radio = RadioConfig(max_depth=3, diffraction=True)
    return trace(wall_and_building(), campaign, radio, cache=False)


def test_a_box_has_twelve_right_angles_that_point_outwards() -> None:
    found = wedges(scene_of(block("box", (0, 0, 0), (2, 3, 4))))
    assert sorted(found.length) == pytest.approx([2.0] * 4 + [3.0] * 4 + [4.0] * 4)
    middle = found.origin + 0.5 * found.length[:, None] * found.along
    away = middle - np.array([1.0, 1.5, 2.0])
    for i in range(2):
        assert ((found.normal[:, i] * away).sum(axis=1) > 0.5).all()
        assert ((found.tangent[:, i] * away).sum(axis=1) < -0.5).all()
        np.testing.assert_allclose((found.normal[:, i] * found.along).sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(
        (found.normal[:, 0] * found.normal[:, 1]).sum(axis=1), 0.0, atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.norm(found.lift, axis=1), 1e-3)


def test_diagonals_and_corners_of_their_own_make_no_difference() -> None:
    """A mesh whose triangles share no vertex has the same wedges; coplanar triangles have none."""
    box = block("box", (0, 0, 0), (2, 3, 4))
    loose = dataclasses.replace(
        box,
        vertices=box.vertices[box.faces].reshape(-1, 3),
        faces=np.arange(3 * len(box.faces), dtype=np.int32).reshape(-1, 3),
    )
    assert len(wedges(scene_of(loose)).length) == 12
    assert (
        len(wedges(scene_of(sheet("s", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]))).length) == 0
    )


def test_free_edges_count_where_they_are_asked_for() -> None:
    screen = scene_of(sheet("s", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]))
    found = wedges(screen, free_edges=True)
    assert len(found.length) == 4
    np.testing.assert_array_equal(found.normal[:, 0], -found.normal[:, 1])
    np.testing.assert_array_equal(found.lift, 0.0)
    with pytest.raises(ConfigurationError, match="edge_diffraction=True needs diffraction=True"):
        RadioConfig(edge_diffraction=True)


def test_an_edge_of_two_objects_is_the_first_ones() -> None:
    pair = scene_of(block("one", (0, 0, 0), (2, 2, 2)), block("two", (2, 0, 0), (4, 2, 2)))
    found = wedges(pair)
    assert np.bincount(found.object).tolist() == [12, 8]


def test_rays_keep_their_angle_with_the_edge_and_meet_it(table: PathTable) -> None:
    """Keller's cone; the lengths and angles of the rows are those of the points."""
    scene = wall_and_building()
    campaign = Campaign(np.stack([TX, TX + 0.5]), np.stack([RX, RX]))
    rows = np.flatnonzero((table.kind == DIFFRACTION).any(axis=1))
    assert len(rows) > 40
    points = path_points(scene, campaign.setups, table)[rows]
    legs = np.linalg.norm(np.diff(points, axis=1), axis=2)
    np.testing.assert_allclose(legs.sum(axis=1), table.length[rows], rtol=1e-12)
    assert table.edge is not None
    edges, found = EdgeRows.of(table.edge[rows]), wedges(scene)
    at = (table.kind[rows] == DIFFRACTION).argmax(axis=1)
    which = table.plane[rows, at]
    line, p = found.along[which], np.arange(len(rows))
    before = points[p, at + 1] - points[p, at]
    after = points[p, at + 2] - points[p, at + 1]
    cosine = [(leg * line).sum(axis=1) / np.linalg.norm(leg, axis=1) for leg in (before, after)]
    np.testing.assert_allclose(cosine[0], cosine[1], atol=1e-9)
    np.testing.assert_allclose(np.sqrt(1.0 - cosine[0] ** 2), edges.sine, atol=1e-7)
    np.testing.assert_allclose(edges.before + edges.after, table.length[rows], rtol=1e-12)
    offset = points[p, at + 1] - found.origin[which]
    along = (offset * line).sum(axis=1)
    assert ((along > 0.0) & (along < found.length[which])).all()
    np.testing.assert_allclose(offset, along[:, None] * line, atol=1e-9)
    nearest = np.minimum(along, found.length[which] - along)
    np.testing.assert_allclose(table.margin[rows], nearest, atol=1e-9)


def test_the_foot_of_a_wall_on_the_ground_does_not_diffract(table: PathTable) -> None:
    assert table.edge is not None
    rows = (table.kind == DIFFRACTION).any(axis=1)
    assert (EdgeRows.of(table.edge[rows]).point[:, 2] > 1e-6).all()


def test_files_and_parts_hold_the_edges(table: PathTable, tmp_path: Path) -> None:
    file = tmp_path / "paths.arrow"
    stream_paths(file, [table.setups([0]), table.setups([1])])
    kept = load_paths(file)
    assert kept.key == table.key
    assert kept.edge is not None
    assert table.edge is not None
    np.testing.assert_array_equal(kept.edge, table.edge)
    second = load_paths(file, [1])
    np.testing.assert_array_equal(second.edge, table.edge[table.setup == 1])
    content = bytearray(file.read_bytes())
    at = content.index(table.edge[table.edge[:, 3] > 0.0][0].tobytes())
    content[at] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(StorageError):
        load_paths(file)


def test_caps_and_depth_bound_what_is_beside_the_edge() -> None:
    scene, campaign = wall_and_building(), Campaign(TX[None], RX[None])
    radio = RadioConfig(max_depth=3, diffraction=True)
    whole = trace(scene, campaign, radio, cache=False)
    turned = (whole.kind == DIFFRACTION).any(axis=1)
    for name, kind in (("max_reflections", 1), ("max_transmissions", 2)):
        some = trace(scene, campaign, radio.replace(**{name: 0}), cache=False)
        rows = turned & ~(whole.kind == kind).any(axis=1)
        found = some.rows((some.kind == DIFFRACTION).any(axis=1))
        np.testing.assert_array_equal(found.signature()[:, 2:], whole.rows(rows).signature()[:, 2:])
    none = trace(scene, campaign, radio.replace(max_depth=0), cache=False)
    assert not (none.kind == DIFFRACTION).any()
