"""Twenty synthetic problems whose fits have two or more minima, to test searches and intervals by.

A wall of metal reflects as a weak dielectric may, so a corridor's walls have a minimum near
0.005 S/m and a plateau above some 5 S/m. A partition's loss is that of a thick wall with little
conductivity or of a thin one with much, and its transparency returns with every half wavelength
of thickness. A floor slab's loss and an offset of all levels behind it are told apart by angles
only. In the paper's room an object of a wrong class may have minima orders of magnitude apart. All
paths are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import Assumptions, Noise, Parameters, Prior, Quantity, Unknowns
from vlmrt_dist.scene import SceneModel, SceneObject, box_room, rectangle


@dataclass(frozen=True, eq=False)
class TwoMinima:
    """A problem with two or more minima.

    :param name: unique in the suite
    :param scene: the scene as it is assumed, whose classes are the prior
    :param truth: the same with its true materials
    :param positions: M setups of N receivers
    :param radio: radio configuration
    :param parameters: which of the objects' parameters are unknown
    :param noise: of the levels, and their offsets
    :param offset_db: [M] true offsets of the setups [dB]
    :param seed: of the errors of the levels
    """

    name: str
    scene: SceneModel
    truth: SceneModel
    positions: Campaign
    radio: RadioConfig
    parameters: Parameters
    noise: Noise
    offset_db: FloatArray
    seed: int = 0

    def measured(self, seed: int | None = None) -> Campaign:
        """The campaign with levels.

        :param seed: of the errors; None: the problem's own
        """
        seed = self.seed if seed is None else seed
        assert isinstance(self.noise.db, float)
        found = simulate(
            self.truth, self.positions, radio=self.radio, noise_db=self.noise.db, seed=seed
        )
        assert found.rss_dbm is not None
        return found.with_rss(found.rss_dbm + self.offset_db[:, None])

    def assumptions(self, width: float) -> Assumptions:
        """The assumptions of an estimation.

        :param width: prior standard deviation of ln σ; ``inf``: no prior
        """
        return Assumptions(self.radio, Prior(width), self.parameters, self.noise)

    def true_x(self, unknowns: Unknowns) -> FloatArray:
        """[X] the true value of every unknown; of a group, that of its first object."""
        found = unknowns.mean.copy()
        frequency = self.radio.frequency
        true = {
            "conductivity": np.log(self.truth.conductivity(frequency)),
            "relative_permittivity": np.log(self.truth.relative_permittivity(frequency)),
            "thickness": np.log(self.truth.thickness),
            "gain": np.repeat(self.offset_db, self.positions.num_receivers),
        }
        for quantity, entry in unknowns.entry.items():
            for k in reversed(range(len(entry))):
                if entry[k] >= 0:
                    found[entry[k]] = true[quantity][k]
        return found


def corridor() -> SceneModel:
    """A corridor of 24 m × 2.4 m × 2.8 m: concrete floor and ceiling, plasterboard walls 0.1 m
    thick to the left and right, open ends."""
    low, high = np.array([0.0, 0.0, 0.0]), np.array([24.0, 2.4, 2.8])
    return SceneModel("corridor", tuple(_shell(low, high, ends=False)), np.stack([low, high]))


def divided_room() -> SceneModel:
    """A room of 8 m × 5 m × 2.8 m with a concrete partition, 0.12 m thick, across its middle."""
    low, high = np.array([0.0, 0.0, 0.0]), np.array([8.0, 5.0, 2.8])
    wall = rectangle("partition", "concrete", 0, 4.0, low[1:], high[1:])
    objects = (*_shell(low, high, ends=True), replace(wall, thickness=0.12))
    return SceneModel("divided_room", objects, np.stack([low, high]))


def two_storeys() -> SceneModel:
    """Two rooms of 6 m × 5 m × 2.8 m, one above the other, with a concrete slab of 0.2 m between
    them."""
    low, high = np.array([0.0, 0.0, 0.0]), np.array([6.0, 5.0, 5.6])
    slab = rectangle("slab", "concrete", 2, 2.8, low[:2], high[:2])
    objects = (*_shell(low, high, ends=True), replace(slab, thickness=0.2))
    return SceneModel("two_storeys", objects, np.stack([low, high]))


def _shell(low: FloatArray, high: FloatArray, *, ends: bool) -> list[SceneObject]:
    sides = [
        rectangle("floor", "concrete", 2, low[2], low[:2], high[:2]),
        rectangle("ceiling", "concrete", 2, high[2], low[:2], high[:2]),
        rectangle("left", "plasterboard", 1, low[1], low[::2], high[::2]),
        rectangle("right", "plasterboard", 1, high[1], low[::2], high[::2]),
    ]
    if ends:
        sides.append(rectangle("front", "brick", 0, low[0], low[1:], high[1:]))
        sides.append(rectangle("back", "brick", 0, high[0], low[1:], high[1:]))
    return sides


RADIO = RadioConfig(max_depth=3)

BOTH: tuple[Quantity, ...] = ("conductivity", "thickness")


def two_minima_problems() -> list[TwoMinima]:
    """The suite of twenty."""
    return [
        _corridor("thin_walls_1", ("plasterboard", 0.02), (0.005, 0.005), 1.0, 1, tied=True),
        _corridor("thin_walls_2", ("plasterboard", 0.02), (0.005, 0.005), 1.2, 2, tied=True),
        _corridor("thin_walls_apart", ("plasterboard", 0.02), (0.005, 0.005), 1.0, 1),
        _corridor("metal_called_glass", ("glass", 0.01), (23.0, 23.0), 1.0, 0, tied=True),
        _corridor("dry_concrete", ("concrete", 0.2), (0.005, 0.005), 1.5, 0, tied=True),
        _corridor("coated_concrete", ("concrete", 0.2), (9.0, 9.0), 2.0, 2),
        _partition("partition_0", BOTH, 1.0, 0),
        _partition("partition_1", BOTH, 1.0, 1),
        _partition("partition_2", BOTH, 1.0, 2),
        _partition("partition_loud", BOTH, 2.0, 3),
        _partition("partition_index", (*BOTH, "relative_permittivity"), 1.0, 4),
        _storeys("slab_0", BOTH, (0.05, 0.16), (2.0,), 3.0, 0),
        _storeys("slab_1", BOTH, (0.05, 0.16), (2.0,), 3.0, 1),
        _storeys("slab_any_offset", BOTH, (0.01, 0.22), (5.0,), np.inf, 0),
        _storeys("slab_and_walls", ("conductivity",), (0.002, 0.2), (5.0, 0.0), 10.0, 0),
        *(_wrong_class(seed) for seed in (0, 2, 4, 8, 10)),
    ]


def _problem(
    name: str,
    scene: SceneModel,
    true: dict[str, dict[str, float]],
    positions: Campaign,
    parameters: Parameters,
    noise: Noise,
    seed: int,
    offset_db: tuple[float, ...] = (),
) -> TwoMinima:
    """:param true: for "conductivity" and "thickness" the true values of objects, by name"""
    truth = scene.with_materials(conductivity=true["conductivity"], thickness=true.get("thickness"))
    offset = np.array(offset_db) if offset_db else np.zeros(positions.num_setups)
    return TwoMinima(name, scene, truth, positions, RADIO, parameters, noise, offset, seed)


def _corridor(
    name: str,
    wall: tuple[str, float],
    sigma: tuple[float, float],
    noise_db: float,
    seed: int,
    *,
    tied: bool = False,
) -> TwoMinima:
    """A transmitter at one end, 40 receivers along the corridor; the walls are unknown.

    :param wall: their class and thickness [m]
    :param sigma: true conductivities of the left and the right one [S/m]
    """
    sides = ("left", "right")
    scene = corridor().with_materials(
        dict.fromkeys(sides, wall[0]), thickness=dict.fromkeys(sides, wall[1])
    )
    rng = np.random.default_rng([1, seed])
    x, y = rng.uniform(2.5, 23.5, 40), rng.uniform(0.3, 2.1, 40)
    rx = np.stack([x, y, np.full(40, 1.5)], axis=1)[None]
    parameters = Parameters(
        fixed=("floor", "ceiling"), groups=dict.fromkeys(sides, "walls") if tied else None
    )
    true = {"conductivity": dict(zip(sides, sigma, strict=True))}
    positions = Campaign(np.array([[1.0, 1.2, 2.0]]), rx)
    return _problem(name, scene, true, positions, parameters, Noise(db=noise_db), seed)


def _partition(
    name: str, quantities: tuple[Quantity, ...], noise_db: float, seed: int
) -> TwoMinima:
    """Two transmitters on one side of a partition, ten receivers of each on the other."""
    scene = divided_room()
    rng = np.random.default_rng([2, seed])
    tx = np.stack([rng.uniform(0.5, 3.5, 2), rng.uniform(0.5, 4.5, 2), np.full(2, 1.8)], axis=1)
    x, y = rng.uniform(4.5, 7.5, (2, 10)), rng.uniform(0.5, 4.5, (2, 10))
    rx = np.stack([x, y, np.full((2, 10), 1.2)], axis=2)
    fixed = tuple(n for n in scene.names if n != "partition")
    true = {"conductivity": {"partition": 0.02}, "thickness": {"partition": 0.08}}
    parameters = Parameters(quantities, fixed=fixed)
    return _problem(name, scene, true, Campaign(tx, rx), parameters, Noise(db=noise_db), seed)


def _storeys(
    name: str,
    quantities: tuple[Quantity, ...],
    slab: tuple[float, float],
    offset_db: tuple[float, ...],
    width_db: float,
    seed: int,
) -> TwoMinima:
    """Transmitters below a slab, twelve receivers of each above it; the offset of each is unknown.

    :param slab: its true conductivity [S/m] and thickness [m]
    :param offset_db: [M] true offsets
    :param width_db: their prior standard deviation
    """
    scene, setups = two_storeys(), len(offset_db)
    rng = np.random.default_rng([3, seed])
    tx = np.stack(
        [rng.uniform(0.5, 5.5, setups), rng.uniform(0.5, 4.5, setups), np.full(setups, 1.5)], axis=1
    )
    x, y = rng.uniform(0.5, 5.5, (setups, 12)), rng.uniform(0.5, 4.5, (setups, 12))
    rx = np.stack([x, y, np.full((setups, 12), 4.0)], axis=2)
    free = ("slab",) if setups == 1 else ("slab", "left", "right")
    parameters = Parameters(quantities, fixed=tuple(n for n in scene.names if n not in free))
    true = {"conductivity": {"slab": slab[0]}, "thickness": {"slab": slab[1]}}
    noise = Noise(db=1.0 if setups == 1 else 0.5, gain_offset_db=width_db)
    return _problem(name, scene, true, Campaign(tx, rx), parameters, noise, seed, offset_db)


def _wrong_class(seed: int) -> TwoMinima:
    """The paper's room, three setups of eight receivers, 0.1 dB, one object of a wrong class."""
    scene = box_room()
    rng = np.random.default_rng([7, seed])
    sigma = scene.conductivity(RADIO.frequency) * np.exp(0.3 * rng.standard_normal(9))
    wrong = rng.integers(0, 9)
    sigma[wrong] *= np.exp(rng.choice([-1, 1]) * rng.uniform(3.0, 7.0))
    sigma[wrong] = np.clip(sigma[wrong], 2e-4, 100.0)
    true = {"conductivity": dict(zip(scene.names, sigma.tolist(), strict=True))}
    positions = random_campaign(scene, 3, 8, seed=seed)
    name = f"wrong_class_{seed}"
    return _problem(name, scene, true, positions, Parameters(), Noise(db=0.1), seed)
