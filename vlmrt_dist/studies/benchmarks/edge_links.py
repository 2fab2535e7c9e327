"""How many links of a scene edges make heard, and by which mechanism links are heard."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import Materials, path_powers, trace, walls_of
from vlmrt_dist.paths import DIFFRACTION, NONE, REFLECTION, TRANSMISSION, PathTable
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.point import content_key
from vlmrt_dist.units import watts_to_dbm

MECHANISMS = ("straight", "reflected", "transmitted", "both", "diffracted")
"""What a path does: nothing; reflect; pass through surfaces; reflect and pass through; turn at an
edge, whatever else it does."""


@dataclass(frozen=True, eq=False)
class EdgeLinks:
    """Links of a scene with and without what edges diffract.

    :param name: of the scene
    :param scene: the scene
    :param positions: its links
    :param radio: with diffraction; powers of paths add
    :param floor_dbm: level from which on a link is heard
    """

    name: str
    scene: SceneModel
    positions: Campaign
    radio: RadioConfig
    floor_dbm: float

    def __str__(self) -> str:
        return f"{self.name}: {self.positions.num_links} links"

    @property
    def key(self) -> str:
        """Content hash of what is counted."""
        parts = [
            self.name, self.scene.key, self.positions.key, self.radio.key, self.floor_dbm,
            engine_versions(), SCHEMA_VERSION,
        ]  # fmt: skip
        return content_key(parts)

    def measure(self, study: str) -> Timing:
        """The counts as a row of the ledger; its label holds them."""
        begin = time.perf_counter()
        table = trace(self.scene, self.positions, self.radio)
        seconds = time.perf_counter() - begin
        frequency = self.radio.frequency
        own = Materials(
            self.scene.conductivity(frequency),
            self.scene.relative_permittivity(frequency),
            self.scene.thickness,
        )
        power = path_powers(table, self.radio, own, walls_of(self.scene, frequency))
        heard = _heard(table, power, self.floor_dbm)
        label = {"scene": self.name, "floor_dbm": self.floor_dbm, **heard}
        return nothing_timed(
            study, self.key, json.dumps(label, sort_keys=True), "replay", self.radio,
            num_objects=self.scene.num_objects, num_setups=self.positions.num_setups,
            num_links=self.positions.num_links, num_paths=table.num_paths, seconds_trace=seconds,
        )  # fmt: skip


def mechanism(table: PathTable) -> IntArray:
    """[P] number of each path's mechanism in :data:`MECHANISMS`."""
    reflects, passes, turns = (
        (table.kind == kind).any(axis=1) for kind in (REFLECTION, TRANSMISSION, DIFFRACTION)
    )
    found = np.where(reflects & passes, 3, np.where(passes, 2, np.where(reflects, 1, 0)))
    return np.where(turns, 4, found)


def _heard(table: PathTable, power: FloatArray, floor_dbm: float) -> dict[str, object]:
    """Counts of links: heard with and without edges, and which mechanism is the strongest."""
    links = table.num_setups * table.num_receivers
    what = mechanism(table)
    share = np.zeros((links, len(MECHANISMS)))
    np.add.at(share, (table.link, what), power)
    total, plain = share.sum(axis=1), share[:, :-1].sum(axis=1)
    with np.errstate(divide="ignore"):
        level, before = watts_to_dbm(total), watts_to_dbm(plain)
    heard = level >= floor_dbm
    both = before >= floor_dbm
    gain = level[both] - before[both]
    strongest = np.bincount(share[heard].argmax(axis=1), minlength=len(MECHANISMS))
    return {
        "paths": int((table.kind != NONE).any(axis=1).sum()),
        "diffracted_paths": int((what == 4).sum()),
        "heard_without": int(both.sum()),
        "heard": int(heard.sum()),
        "strongest": dict(zip(MECHANISMS, strongest.tolist(), strict=True)),
        "median_gain_db": float(np.median(gain)) if len(gain) else None,
        "largest_gain_db": float(gain.max()) if len(gain) else None,
    }


def edge_counts(timings: Sequence[Timing]) -> list[dict[str, object]]:
    """What was counted in each scene, with its number of links and the seconds of tracing."""
    return [
        {**json.loads(t.label), "links": t.num_links, "seconds": t.seconds_trace} for t in timings
    ]
