import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.inference.made_estimates import estimate
from tests.live_scenes import expected_numbers, numbers_of, opened
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import ConfigurationError, SceneError, StorageError
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.quantities import QuantityEstimate
from vlmrt_dist.inference.verdicts import Verdict
from vlmrt_dist.scene import NotTakenOver, SceneModel, box_room, load_scene
from vlmrt_dist.units import watts_to_dbm

ROOM = box_room()
F = 2.4e9
ESTIMATED = ("floor", "wall_east", "box_concrete")


def calibration(
    room: SceneModel, values: dict[str, FloatArray], verdict: Sequence[Verdict]
) -> Calibration:
    """Values at :data:`F`, all with these verdicts."""
    quantities = {
        name: QuantityEstimate("", v, v, v, v, v, v, v, tuple(verdict), (False,) * len(verdict))
        for name, v in values.items()
    }
    return Calibration(room.names, room.materials, F, quantities)


def numbers(room: SceneModel = ROOM) -> Calibration:
    """Some objects estimated, the others at the table's values."""
    sigma, names = room.conductivity(F), room.names
    verdict: list[Verdict] = [
        "estimated" if name in ESTIMATED else "not_identified" for name in names
    ]
    factor = np.where([v == "estimated" for v in verdict], 1.0 / np.arange(3, len(names) + 3), 1.0)
    # As ln σ and back, which changes the last bits of what stays.
    return calibration(room, {"conductivity": np.exp(np.log(sigma * factor))}, verdict)


def with_others() -> Calibration:
    """Permittivity and thickness of two objects estimated too."""
    values = dict(numbers().values)
    values["relative_permittivity"] = ROOM.relative_permittivity(F)
    values["relative_permittivity"][ROOM.names.index("box_wood")] = 2.345678901
    values["thickness"] = ROOM.thickness.copy()
    values["thickness"][ROOM.names.index("box_marble")] = 0.0123
    return calibration(ROOM, values, numbers().quantities["conductivity"].verdict)


def test_what_is_the_tables_keeps_its_class() -> None:
    scene = numbers().on(ROOM)
    assert scene.geometry_key == ROOM.geometry_key
    for item in scene.objects:
        assert (item.conductivity is not None) == (item.name in ESTIMATED)
        assert (item.relative_permittivity is not None) == (item.name in ESTIMATED)
    np.testing.assert_allclose(scene.conductivity(F), numbers().values["conductivity"], rtol=1e-14)
    np.testing.assert_array_equal(scene.relative_permittivity(F), ROOM.relative_permittivity(F))


def test_permittivity_and_thickness_too() -> None:
    scene = with_others().on(ROOM)
    wood, marble = (scene.objects[ROOM.names.index(n)] for n in ("box_wood", "box_marble"))
    assert wood.relative_permittivity == 2.345678901
    assert wood.conductivity == ROOM.conductivity(F)[ROOM.names.index("box_wood")]
    assert (marble.thickness, marble.conductivity) == (0.0123, None)


def test_unstated_materials_are_what_the_estimation_took_them_for() -> None:
    named = [dataclasses.replace(o, material="mystery") for o in ROOM.objects]
    bare = dataclasses.replace(ROOM, objects=tuple(named))
    assert set(bare.unstated) == set(ROOM.names)
    found = numbers().on(bare)
    assert found.key == numbers().on(ROOM).key


def test_objects_are_matched_by_name() -> None:
    turned = SceneModel("turned", ROOM.objects[::-1], ROOM.bounds)
    scene = with_others().on(turned)
    np.testing.assert_array_equal(
        scene.conductivity(F), with_others().on(ROOM).conductivity(F)[::-1]
    )
    with pytest.raises(SceneError, match=r"'paper.*' has other objects: there is no .*; give the"):
        numbers().on(dataclasses.replace(box_room(2), name="paper"))


@pytest.mark.parametrize("merge_shapes", [False, True])
def test_sionna_opens_a_written_estimate_with_its_numbers(
    tmp_path: Path, merge_shapes: bool
) -> None:
    path = with_others().write(ROOM, tmp_path / "out")
    expected = with_others().on(ROOM)
    scene = opened(path, merge_shapes=merge_shapes)
    for frequency in (F, 28e9):
        found = numbers_of(scene, frequency)
        wanted = expected_numbers(expected, frequency)
        assert merge_shapes or set(found) == set(wanted)
        for name in (*ESTIMATED, "box_wood"):
            np.testing.assert_array_equal(found[name], wanted[name])
        for name in set(found) & set(wanted):
            np.testing.assert_allclose(found[name], wanted[name], rtol=3e-7)
    assert load_scene(path).key == expected.key


def test_scattering_of_a_sionna_scene_survives(tmp_path: Path) -> None:
    scene = opened(ROOM.write(tmp_path / "room"))
    scene.objects["floor"].radio_material.scattering_coefficient = 0.25
    scene.objects["box_wood"].radio_material.scattering_coefficient = 0.125
    with pytest.warns(NotTakenOver, match="scatters"):
        model = vd.from_sionna(scene).scene
    again = opened(numbers().write(model, tmp_path / "out"))
    found = numbers_of(again, F)
    assert found["floor"][3] == found["wall_west"][3] == 0.25  # bricks share a material
    assert (found["box_wood"][3], found["box_marble"][3]) == (0.125, 0.0)
    assert set(numbers().apply(again).kept) == set(ROOM.names)


def test_the_file_says_what_its_numbers_are(tmp_path: Path) -> None:
    text = numbers().write(ROOM, tmp_path / "out").read_text()
    assert "estimated at 2.4 GHz" in text
    assert "'wall_west', 'wall_south'" in text
    assert "keeps its prior value" in text


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(StorageError, match="--overwrite"):
        numbers().write(ROOM, tmp_path)
    assert os.listdir(tmp_path) == ["notes"]
    numbers().write(ROOM, tmp_path, overwrite=True)


def test_an_estimate_without_its_scene() -> None:
    with pytest.raises(ConfigurationError, match="without its scene"):
        estimate().write_scene("nowhere")


def test_blenders_names_survive(tmp_path: Path) -> None:
    """Sionna's names, as Blender's exporter writes them, into an estimate and back."""
    folder = tmp_path / "blender"
    text = ROOM.write(folder).read_text()
    renamed = {name: f"Cube.{k:03d}" for k, name in enumerate(ROOM.names)}
    for old, new in renamed.items():
        text = text.replace(f'"mesh-{old}"', f'"mesh-{new}"')
    (folder / "scene.xml").write_text(text)
    setup = vd.from_sionna(opened(folder / "scene.xml"))
    assert setup.scene.names == tuple(renamed.values())
    values = {"conductivity": setup.scene.conductivity(F) * np.linspace(1.1, 1.9, 9)}
    found = calibration(setup.scene, values, ("estimated",) * 9)
    again = opened(found.write(setup.scene, tmp_path / "out"), merge_shapes=True)
    assert set(again.objects) == set(renamed.values())
    change = found.apply(again)
    assert change.changed == ()
    assert "at 3.5 GHz; the numbers hold at 2.4 GHz" in change.remarks[-1]
    assert repr(change).startswith("0 objects have new numbers (none), 9 had theirs already")


def test_what_the_estimation_took_for_known_is_set_too(tmp_path: Path) -> None:
    assumed = ROOM.with_materials({"box_wood": "plasterboard"}, thickness={"box_wood": 0.02})
    values = {"conductivity": assumed.conductivity(F)}
    found = calibration(assumed, values, ("estimated",) * 9)
    scene = opened(ROOM.write(tmp_path / "room"))
    assert found.apply(scene, assumed).changed == ("box_wood",)
    np.testing.assert_array_equal(
        numbers_of(scene, F)["box_wood"], expected_numbers(assumed, F)["box_wood"]
    )


def sionna_levels(scene: Any, radio: vd.RadioConfig) -> FloatArray:
    """Levels [M,N] [dBm] of a user's scene by Sionna's own solver, one transmitter at a time: in a
    solve of several the rays of the second one would draw other random numbers."""
    import sionna.rt as rt

    from vlmrt_dist.paths.sionna_scene import CANDIDATES

    solver = rt.PathSolver(deterministic=True)
    transmitters = scene.transmitters
    rows = []
    for transmitter in transmitters.values():
        scene.remove(list(transmitters))
        scene.add(transmitter)
        paths = solver(
            scene, max_depth=radio.max_depth, samples_per_src=radio.samples_per_src,
            max_num_paths_per_src=CANDIDATES[0], diffuse_reflection=False, seed=radio.seed,
        )  # fmt: skip
        real, imaginary = (np.asarray(x.numpy(), float)[:, 0, 0, 0] for x in paths.a)
        rows.append((real**2 + imaginary**2).sum(axis=-1))
    scene.remove(list(transmitters))
    scene.add(list(transmitters.values()))
    return np.asarray(watts_to_dbm(np.array(rows) * radio.tx_power))


@pytest.mark.slow
@pytest.mark.parametrize("merge_shapes", [False, True])
def test_sionna_scene_to_estimate_and_back(tmp_path: Path, merge_shapes: bool) -> None:
    import sionna.rt as rt

    scene = opened(ROOM.write(tmp_path / "room"), merge_shapes=merge_shapes)
    scene.tx_array = scene.rx_array = rt.PlanarArray(
        num_rows=1, num_cols=1, pattern="dipole", polarization="V"
    )
    places = vd.place("random", ROOM, 2, 6, seed=1)
    for m, tx in enumerate(places.tx):
        scene.add(rt.Transmitter(f"tx-{m}", position=tx.tolist(), power_dbm=30))
    for n, rx in enumerate(places.rx[0]):
        scene.add(rt.Receiver(f"rx-{n}", position=rx.tolist()))
    setup = vd.from_sionna(scene, source=ROOM if merge_shapes else None)
    radio = setup.radio.replace(path_set="single_solve", max_depth=3, samples_per_src=200_000)
    truth = vd.simulate(
        setup.scene, setup.campaign, radio=radio, noise_db=0.05, seed=1,
        conductivity=setup.scene.conductivity(3.5e9) * np.linspace(0.6, 1.5, 9),
    )  # fmt: skip
    result = vd.estimate(setup.scene, truth, radio=radio)
    change = result.apply(scene)
    assert len(change.changed) >= 3
    # The paths of a single solve depend on the materials: those of the calibrated scene.
    ours = vd.simulate(result.calibrated_scene, setup.campaign, radio=radio)
    assert ours.rss_dbm is not None
    levels = sionna_levels(scene, radio)
    assert np.isfinite(levels).all()
    np.testing.assert_allclose(levels, ours.rss_dbm, atol=1e-3, rtol=0.0)
    # A written scene is the same one again.
    again = opened(result.write_scene(tmp_path / "out"), merge_shapes=merge_shapes)
    again.tx_array, again.rx_array = scene.tx_array, scene.rx_array
    for device in (*scene.transmitters.values(), *scene.receivers.values()):
        again.add(device)
    np.testing.assert_allclose(sionna_levels(again, radio), levels, atol=1e-3, rtol=0.0)
