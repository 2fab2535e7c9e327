"""Layers and penetration losses as unknowns, from the vector x to scenes and files."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.numerics import PAPER
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import ConfigurationError, SceneError
from vlmrt_dist.field import MapPlane, ReplayObjective, perturbed, scene_loss, simulate, trace
from vlmrt_dist.inference import (
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    Quantity,
    estimate,
    level_posterior,
    prior_of,
    radio_map,
    read_estimate,
    write_estimate,
)
from vlmrt_dist.inference.parameters import Unknowns
from vlmrt_dist.inference.unknown_vector import unknowns_of
from vlmrt_dist.scene import Layer, LayeredMaterial, SceneModel, SceneObject, load_scene

RADIO = PAPER.replace(max_depth=3, path_set="exact")
FREQUENCY = RADIO.frequency

BOARD = Layer("plasterboard", 0.0125)
PARTITION = LayeredMaterial("partition wall", (BOARD, Layer("air", 0.075), BOARD))
GLAZING = LayeredMaterial(
    "double glazing", (Layer("glass", 0.004), Layer("air", 0.016), Layer("glass", 0.006))
)
CLAD = LayeredMaterial("clad", (Layer("plasterboard", 0.02), Layer("concrete", 0.08)))
EVERY: tuple[Quantity, ...] = (
    "conductivity",
    "relative_permittivity",
    "thickness",
    "penetration_loss",
)


def plane(name: str, material: str, thickness: float, corners: list[list[float]]) -> SceneObject:
    return SceneObject(
        name, material, np.array(corners, float), np.array([[0, 1, 2], [0, 2, 3]]), thickness
    )


def upright(name: str, material: str, thickness: float, x: float) -> SceneObject:
    return plane(name, material, thickness, [[x, 0, 0], [x, 6, 0], [x, 6, 3], [x, 0, 3]])


ROOM = SceneModel(
    "three rooms in a row",
    (
        plane("floor", "concrete", 0.2, [[0, 0, 0], [12, 0, 0], [12, 6, 0], [0, 6, 0]]),
        upright("back", "brick", 0.15, 0.0),
        upright("thin", "plasterboard", 0.1, 4.0),
        upright("thick", "brick", 0.1, 8.0),
        plane("side", "concrete", 0.2, [[0, 0, 0], [12, 0, 0], [12, 0, 3], [0, 0, 3]]),
    ),
    np.array([[0.0, 0.0, 0.0], [12.0, 6.0, 3.0]]),
)
LAYERED = ROOM.with_layers({"thin": PARTITION, "thick": CLAD})


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    rng = np.random.default_rng(4)
    tx = np.array([[1.3, 2.1, 1.7], [2.6, 4.4, 2.2], [10.4, 3.2, 1.9]])
    rx = rng.uniform([0.5, 0.5, 0.7], [11.5, 5.5, 2.4], (3, 14, 3))
    return Campaign(tx, rx)


def unknown(scene: SceneModel, campaign: Campaign, parameters: Parameters) -> Unknowns:
    prior = prior_of(scene, RADIO, Prior(), parameters.fixed)
    return unknowns_of(scene, campaign, RADIO, prior, parameters)


@pytest.fixture(scope="module")
def levels(campaign: Campaign) -> Campaign:
    """Without noise, of the layered rooms in which a wall lets 3 dB less through."""
    return simulate(LAYERED.with_extra_loss({"thin": 3.0}), campaign, radio=RADIO)


@pytest.fixture(scope="module")
def objective(levels: Campaign) -> ReplayObjective:
    return ReplayObjective(LAYERED, levels, RADIO, trace(LAYERED, levels, RADIO))


@pytest.mark.parametrize("groups", [None, "material"])
def test_levels_and_jacobian_of_everything_at_once(
    levels: Campaign, objective: ReplayObjective, groups: str | None
) -> None:
    unknowns = unknown(LAYERED, levels, Parameters(EVERY, groups="material" if groups else None))
    predict = unknowns.predict(objective)
    own = simulate(LAYERED, levels, radio=RADIO).rss_dbm
    assert own is not None
    if groups is None:
        np.testing.assert_allclose(predict(unknowns.mean)[0], own.ravel(), atol=1e-9)
    x = unknowns.mean + 0.1 * np.random.default_rng(0).standard_normal(len(unknowns.mean))
    exact, h = predict(x)[1].toarray(), 1e-4
    numeric = np.empty_like(exact)
    for i, step in enumerate(h * np.eye(len(x))):
        near = predict(x + step)[0] - predict(x - step)[0]
        far = predict(x + 2 * step)[0] - predict(x - 2 * step)[0]
        numeric[:, i] = (8.0 * near - far) / (12.0 * h)
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-7)
    told = {q for q, column in zip(unknowns.quantity, exact.T, strict=True) if column.any()}
    assert {"layer_conductivity", "layer_thickness", "penetration_loss"} <= told


def test_each_layer_is_unknown_but_air(levels: Campaign) -> None:
    unknowns = unknown(LAYERED, levels, Parameters())
    assert [n for n in unknowns.label if "/" in n] == [
        "thin/plasterboard", "thick/plasterboard", "thick/concrete"
    ]  # fmt: skip
    assert "thin" not in unknowns.label  # nor the slab that stands for its layers
    assert (unknowns.entry["layer_conductivity"] >= 0).tolist() == [True, False, True, True]


def test_layers_and_objects_of_one_class_share_what_is_unknown(levels: Campaign) -> None:
    unknowns = unknown(
        LAYERED, levels, Parameters(("conductivity", "thickness"), groups="material")
    )
    sigma = [n for q, n in zip(unknowns.quantity, unknowns.label, strict=True) if "cond" in q]
    assert sigma == ["concrete", "brick", "plasterboard"]
    of_layer, of_object = unknowns.entry["layer_conductivity"], unknowns.entry["conductivity"]
    assert of_layer[0] == of_layer[2]
    assert of_layer[3] == of_object[ROOM.names.index("floor")]
    # Boards of 12.5 mm and of 20 mm have a thickness each.
    thick = unknowns.entry["layer_thickness"]
    assert len({*thick[thick >= 0].tolist()}) == 3


def test_fixed_layers_and_objects(levels: Campaign) -> None:
    some = unknown(LAYERED, levels, Parameters(fixed=("thick/concrete", "thin")))
    assert [n for n in some.label if "/" in n] == ["thick/plasterboard"]
    with pytest.raises(ConfigurationError, match="'thin/brick'"):
        unknown(LAYERED, levels, Parameters(fixed=("thin/brick",)))


def test_penetration_losses_are_those_of_all_that_is_not_vacuum_or_metal(levels: Campaign) -> None:
    scene = LAYERED.with_materials({"back": "metal", "side": "vacuum"})
    unknowns = unknown(scene, levels, Parameters(("penetration_loss",), fixed=("floor",)))
    assert unknowns.label == ("thin", "thick")
    np.testing.assert_allclose(unknowns.mean, scene_loss(scene, FREQUENCY)[[2, 3]], rtol=1e-12)
    assert (unknowns.width == 5.0).all()
    tied = unknown(ROOM, levels, Parameters(("penetration_loss",), groups="material"))
    assert tied.label == (
        "concrete, 20 cm", "brick, 15 cm", "plasterboard, 10 cm", "brick, 10 cm"
    )  # fmt: skip
    other = ROOM.with_layers({"thin": PARTITION, "thick": PARTITION})
    tied = unknown(other, levels, Parameters(("penetration_loss",), groups="material"))
    assert tied.label == ("concrete, 20 cm", "brick, 15 cm", "partition wall, 10 cm")


SOLVER = LevenbergMarquardt(folds=0, posterior="normal")


@pytest.fixture(scope="module")
def lossy(levels: Campaign) -> Estimate:
    return estimate(
        LAYERED, levels, radio=RADIO, noise=Noise(0.05), solver=SOLVER,
        parameters=Parameters(("penetration_loss",)),
    )  # fmt: skip


def test_a_penetration_loss_is_found(lossy: Estimate) -> None:
    found = lossy.others["penetration_loss"]
    k = ROOM.names.index("thin")
    truth = scene_loss(LAYERED, FREQUENCY)[k] + 3.0
    assert found.verdict[k] == "estimated"
    assert found.value[k] == pytest.approx(truth, abs=0.05)
    assert found.low[k] < truth < found.high[k]
    assert found.unit == "dB"
    assert lossy.verdict == ("fixed",) * 5
    assert (found.low >= 0.0).all()
    text = str(lossy)
    assert "Penetration loss of 5 objects at 3.5 GHz" in text
    assert "partition wall (3 layers)" in text


def test_the_calibrated_scene_has_the_penetration_loss(
    lossy: Estimate, levels: Campaign, tmp_path: Path
) -> None:
    calibrated = lossy.calibrated_scene
    again = simulate(calibrated, levels, radio=RADIO).rss_dbm
    used = np.isfinite(lossy.links.replayed_dbm)
    assert again is not None
    # What no link tells keeps its prior, which changes the levels by as little.
    np.testing.assert_allclose(again[used], lossy.links.replayed_dbm[used], atol=1e-3)
    path = lossy.write_scene(tmp_path / "scene")
    assert load_scene(path, layers=path.with_name("layers.toml")).key == calibrated.key
    assert re.search(r"thin: (2\.9|3)\d* dB", path.read_text())


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
@pytest.mark.parametrize("groups", [None, "material"])
def test_result_files_hold_layers_and_losses(
    levels: Campaign, tmp_path: Path, suffix: str, groups: Literal["material"] | None
) -> None:
    result = estimate(
        LAYERED, levels, radio=RADIO, noise=Noise(0.05), solver=SOLVER,
        parameters=Parameters(("conductivity", "penetration_loss"), groups=groups),
    )  # fmt: skip
    assert result.layers is not None
    file = tmp_path / f"result.{suffix}"
    write_estimate(result, file, scene=LAYERED, campaign=levels, radio=RADIO)
    calibration = read_estimate(file)
    assert calibration.names == ROOM.names
    assert calibration.layers is not None
    assert calibration.layers.names == result.layers.names
    assert calibration.on(LAYERED).key == result.calibrated_scene.key
    told = level_posterior(LAYERED, result.calibration, levels)
    if suffix != "csv":  # which holds no posterior
        again = level_posterior(LAYERED, calibration, levels)
        np.testing.assert_allclose(again.level_dbm, told.level_dbm, atol=1e-12)
        np.testing.assert_allclose(again.covariance, told.covariance, atol=1e-12)
    used = np.isfinite(result.links.replayed_dbm)
    np.testing.assert_allclose(told.level_dbm[used], result.links.replayed_dbm[used], atol=1e-6)
    turned = replace(LAYERED, objects=LAYERED.objects[::-1])
    assert calibration.on(turned).key == replace(
        result.calibrated_scene, objects=result.calibrated_scene.objects[::-1]
    ).key  # fmt: skip
    for scene in (ROOM, ROOM.with_layers({"thin": GLAZING})):
        with pytest.raises(SceneError, match="give the layers file that the estimate was made"):
            calibration.on(scene)


def test_layers_are_found_from_exact_levels(campaign: Campaign) -> None:
    truth = ROOM.with_layers({"thin": PARTITION})
    lower = LayeredMaterial("partition", (Layer("plasterboard", 0.0125, 2.73, 0.05),) * 1 + (
        Layer("air", 0.075), Layer("plasterboard", 0.0125, 2.73, 0.05)))  # fmt: skip
    model = ROOM.with_layers({"thin": lower})
    measured = simulate(truth, campaign, radio=RADIO)
    result = estimate(model, measured, radio=RADIO, noise=Noise(0.01), prior=Prior(0.5),
                      parameters=Parameters(groups="material"), solver=SOLVER)  # fmt: skip
    assert result.layers is not None
    found, layers = result.layers.quantities["conductivity"], truth.layers
    assert layers is not None
    sigma = layers.conductivity(FREQUENCY)[0]
    assert found.verdict == ("estimated", "fixed")
    assert found.value[0] == pytest.approx(sigma, rel=0.01)
    assert found.low[0] < sigma < found.high[0]
    assert "thin/plasterboard" in str(result)


def test_double_glazing_known_and_taken_for_one_pane(campaign: Campaign) -> None:
    """With the layers known the truth comes back; taken for the slab that stands for them, the
    glazing is explained by a conductivity of its own that leaves a residual."""
    truth = ROOM.with_layers({"thin": GLAZING})
    sigma = perturbed(ROOM.conductivity(FREQUENCY), 3)
    measured = simulate(truth, campaign, conductivity=sigma, radio=RADIO)
    known = estimate(truth, measured, radio=RADIO, noise=Noise(0.02), prior=Prior(0.5),
                     parameters=Parameters(fixed=("thin",)), solver=SOLVER)  # fmt: skip
    free = np.array([verdict == "estimated" for verdict in known.verdict])
    assert free.sum() >= 2
    assert np.abs(np.log(known.conductivity / sigma))[free].max() < 0.01
    assert np.abs(np.log(ROOM.conductivity(FREQUENCY) / sigma))[free].max() > 0.03
    assert known.residual_db < 1e-2
    slab = estimate(ROOM, measured, radio=RADIO, noise=Noise(2.0), prior=Prior(0.5), solver=SOLVER)
    assert slab.residual_db > 0.3


def test_a_map_knows_layers_and_losses(levels: Campaign) -> None:
    """Levels are those of the calibrated scene; the spread is that of the posterior through them,
    here by differences of what :func:`simulate` gives."""
    result = estimate(
        LAYERED, levels, radio=RADIO, noise=Noise(0.05), solver=SOLVER, prior=Prior(0.5),
        parameters=Parameters(("conductivity", "penetration_loss"), groups="material"),
    )  # fmt: skip
    tx, cut = np.array([1.3, 2.1, 1.7]), MapPlane(height=1.1, cell_size=1.5)
    found = radio_map(LAYERED, tx, estimate=result, plane=cut, radio=RADIO)
    there = np.isfinite(found.prior_dbm[0])
    cells = Campaign(tx[None], found.cell_centers[there][None])
    unknowns = unknown(LAYERED, cells, Parameters(("conductivity", "penetration_loss"),
                                                  groups="material"))  # fmt: skip
    heard = cells.with_rss(np.zeros(cells.present.shape))
    paths = ReplayObjective(LAYERED, heard, RADIO, trace(LAYERED, heard, RADIO))
    x = _told(unknowns, result)
    level, jacobian = unknowns.predict(paths)(x)
    assert found.calibrated_dbm is not None
    assert found.calibrated_std_db is not None
    np.testing.assert_allclose(found.calibrated_dbm[0][there], level, atol=1e-9)
    assert result.joint is not None
    rows = jacobian.toarray()
    std = np.sqrt(np.einsum("li,ij,lj->l", rows, result.joint.matrix, rows))
    np.testing.assert_allclose(found.calibrated_std_db[0][there], std, rtol=1e-6)


def _told(unknowns: Unknowns, result: Estimate) -> FloatArray:
    """x at the values that an estimate tells."""
    x = unknowns.mean.copy()
    for name, quantity in result.calibration.slabs.items():
        entry = unknowns.entry[name]
        value = quantity.value if name == "penetration_loss" else np.log(quantity.value + 1e-300)
        x[entry[entry >= 0]] = value[entry >= 0]
    return x


def test_retrace_and_adam_say_what_they_do_not_know(levels: Campaign) -> None:
    from vlmrt_dist.inference import Adam

    with pytest.raises(ConfigurationError, match="no layers and no extra losses"):
        estimate(LAYERED, levels, radio=RadioConfig.paper(), solver=Adam(engine="retrace"))
    with pytest.raises(ConfigurationError, match="penetration_loss"):
        estimate(ROOM, levels, radio=RADIO, solver=Adam(),
                 parameters=Parameters(("penetration_loss",)))  # fmt: skip


@pytest.mark.slow
def test_a_live_scene_is_told_what_sionna_does_not_know(
    lossy: Estimate, levels: Campaign, tmp_path: Path
) -> None:
    import sionna.rt as rt

    path = str(ROOM.write(tmp_path / "room", frequency=FREQUENCY))
    said = str(lossy.apply(rt.load_scene(path, merge_shapes=False)))
    assert "Sionna has no layers: of 'thin', 'thick' it has the single slab" in said
    assert "'thin'" in said.partition("what passes through")[2]
    result = estimate(
        ROOM, levels, radio=RADIO, noise=Noise(0.5), solver=SOLVER,
        parameters=Parameters(("penetration_loss",)),
    )  # fmt: skip
    said = str(result.apply(rt.load_scene(path, merge_shapes=False)))
    assert re.search(r"[\d.]+ S/m would give thin its [\d.]+ dB at normal incidence", said)
    without = str(result.calibration.apply(rt.load_scene(path, merge_shapes=False)))
    assert "no penetration loss was set" in without
