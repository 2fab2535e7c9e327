"""Validation of a model's answer, entry by entry.

An invalid entry does not affect the others; it becomes a problem with a reason that a model can act
on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import AT_HEIGHT, REASONS, TOO_NEAR, AntennaSpace, rounded
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene import material_class
from vlmrt_dist.vlm.parsing import (
    MaterialEntry,
    PositionEntry,
    RepairedPosition,
    printable,
    shape_problem,
)
from vlmrt_dist.vlm.prompts.builder import MIN_SEPARATION

Slot = tuple[int, int]
"""Setup (from 0) and antenna: 0 is the transmitter, n the n-th receiver."""

MAX_LISTED = 5
"""Most examples in one remark."""

NearestMaterial = Callable[[str], str | None]
"""Free text to a material class, or None if uncertain."""


@dataclass(frozen=True)
class Room:
    """Where antennas may stand, in a model's words.

    :param space: the rule
    :param labels: [K] names of the objects in prompts
    """

    space: AntennaSpace
    labels: tuple[str, ...]


@dataclass(frozen=True)
class MaterialChoice:
    """A usable answer for one object.

    :param material: class of the closed list
    :param confidence: in [0, 1]
    :param source: its origin, for people
    """

    material: str
    confidence: float
    source: str


@dataclass
class CheckedMaterials:
    """Usable answers and problems by label; each requested label is in one of the two."""

    valid: dict[str, MaterialChoice] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass
class CheckedPositions:
    """Usable positions [3] [m] with reasons, and problems; every slot is in one of the two."""

    valid: dict[Slot, FloatArray] = field(default_factory=dict)
    reasons: dict[Slot, str] = field(default_factory=dict)
    problems: dict[Slot, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def closed_list(table: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Material class -> (c, d) of a table whose names may also be the paper's; the first row of a
    class counts.

    :raises MaterialError: if a name is none of ITU-R P.2040, or the table is empty
    """
    rows: dict[str, tuple[float, float]] = {}
    for name, row in table.items():
        rows.setdefault(material_class(name), row)
    if not rows:
        raise MaterialError("the table of materials is empty")
    return rows


def check_materials(
    entries: Sequence[Any],
    labels: Collection[str],
    table: Mapping[str, tuple[float, float]],
    nearest: NearestMaterial,
) -> CheckedMaterials:
    """Check the entries of an answer about ``labels``.

    :param entries: as parsed from JSON, unchecked
    :param labels: the requested objects
    :param table: material class -> (c, d), the closed list
    :param nearest: maps names outside the list to a class
    """
    checked = CheckedMaterials()
    others: list[str] = []
    unknown_keys: set[str] = set()
    deviating: list[str] = []
    told = dict.fromkeys(labels, 0)
    for raw in entries:
        label = raw.get("object") if isinstance(raw, dict) else None
        if not isinstance(label, str) or label not in told:
            others.append(label if isinstance(label, str) else "an entry without a name")
            continue
        told[label] += 1
        if told[label] > 1:
            checked.valid.pop(label, None)
            checked.problems[label] = "it is named more than once; name every object exactly once"
            continue
        try:
            entry = MaterialEntry.model_validate(raw)
        except ValidationError as error:
            checked.problems[label] = shape_problem(error)
            continue
        unknown_keys |= raw.keys() - MaterialEntry.model_fields.keys()
        material, note = _material(entry.material, table, nearest)
        if material is None:
            checked.problems[label] = (
                f"the material {printable(entry.material, 60)!r} is not in the table"
            )
            continue
        if note:
            checked.remarks.append(f"{printable(label, 60)}: {note}")
        if (entry.c, entry.d) != (None, None) and not _same((entry.c, entry.d), table[material]):
            deviating.append(label)
        source = printable(entry.source, 120) or f"ITU-R: {material}"
        checked.valid[label] = MaterialChoice(material, entry.confidence, source)
    for label, count in told.items():
        if count == 0:
            checked.problems[label] = "it is missing"
    if deviating:
        checked.remarks.append(
            f"c, d differ from the table's, which are used: {_listed(deviating)}"
        )
    if others:
        checked.remarks.append(f"entries for objects not asked about ignored: {_listed(others)}")
    _remark_keys(unknown_keys, checked.remarks)
    return checked


def check_setups(
    setups: Sequence[Any], room: Room, num_setups: int, num_receivers: int
) -> CheckedPositions:
    """Check a first answer: an array of setups of one tx and N rx."""
    checked = CheckedPositions()
    given: dict[Slot, Any] = {}
    for m in range(num_setups):
        setup = setups[m] if m < len(setups) and isinstance(setups[m], dict) else {}
        receivers = setup.get("rx")
        receivers = receivers if isinstance(receivers, list) else []
        given[m, 0] = setup.get("tx")
        for n in range(num_receivers):
            given[m, n + 1] = receivers[n] if n < len(receivers) else None
        if len(receivers) > num_receivers:
            surplus = len(receivers) - num_receivers
            checked.remarks.append(f"{surplus} surplus receivers of setup {m + 1} left out")
    if len(setups) > num_setups:
        checked.remarks.append(f"{len(setups) - num_setups} surplus setups left out")
    _fill(checked, given, room)
    return checked


def check_repaired(
    before: CheckedPositions, entries: Sequence[Any], room: Room
) -> CheckedPositions:
    """Check the second answer, about the problems of the first, whose valid positions are kept."""
    checked = dataclasses.replace(
        before,
        valid=dict(before.valid),
        reasons=dict(before.reasons),
        problems={},
        remarks=list(before.remarks),
    )
    given: dict[Slot, Any] = dict.fromkeys(before.problems)
    for raw in entries:
        try:
            entry = RepairedPosition.model_validate(raw)
        except ValidationError:
            continue  # its slot stays without a position, and is replaced by the fallback
        slot = (entry.setup - 1, entry.receiver)
        if given.get(slot, raw) is None:
            given[slot] = {"x": entry.x, "y": entry.y, "z": entry.z, "reason": entry.reason}
    _fill(checked, given, room)
    return checked


def coincides(slot: Slot, place: FloatArray, others: Mapping[Slot, FloatArray]) -> Slot | None:
    """The position of its setup, or other transmitter, that ``place`` is too near to; else None."""
    for other, there in others.items():
        same_setup = other[0] == slot[0]
        both_tx = other[1] == 0 and slot[1] == 0
        if (same_setup or both_tx) and np.linalg.norm(place - there) < MIN_SEPARATION:
            return other
    return None


def slot_name(slot: Slot) -> str:
    """A position for people: "setup 2, receiver 3"."""
    return f"setup {slot[0] + 1}, " + (f"receiver {slot[1]}" if slot[1] else "transmitter")


def _fill(checked: CheckedPositions, given: Mapping[Slot, Any], room: Room) -> None:
    unknown_keys: set[str] = set()
    places: dict[Slot, FloatArray] = {}
    reasons: dict[Slot, str] = {}
    for slot, raw in given.items():
        if raw is None:
            checked.problems[slot] = "it is missing"
            continue
        try:
            entry = PositionEntry.model_validate(raw)
        except ValidationError as error:
            checked.problems[slot] = shape_problem(error)
            continue
        unknown_keys |= raw.keys() - PositionEntry.model_fields.keys()
        places[slot] = rounded(np.array([entry.x, entry.y, entry.z]))
        reasons[slot] = printable(entry.reason)
    wrong = _misplaced(room, places)
    for (slot, place), problem in zip(places.items(), wrong, strict=True):
        twin = coincides(slot, place, checked.valid) if not problem else None
        if twin is not None:
            problem = f"it is nearer than {MIN_SEPARATION:g} m to {slot_name(twin)}"
        if problem:
            x, y, z = place
            checked.problems[slot] = f"at ({x:g}, {y:g}, {z:g}): {problem}"
        else:
            checked.valid[slot], checked.reasons[slot] = place, reasons[slot]
    _remark_keys(unknown_keys, checked.remarks)


def _misplaced(room: Room, places: Mapping[Slot, FloatArray]) -> list[str]:
    """The problem of each place; empty for a valid one."""
    if not places:
        return []
    points = np.array(list(places.values()))
    transmitter = np.array([slot[1] == 0 for slot in places])
    reason = np.zeros(len(points), np.int64)
    for kind in (True, False):
        mine = transmitter == kind
        reason[mine] = room.space.reasons(points[mine], transmitter=kind)
    scene = room.space.scene
    # Geometry queries need not hold far outside the scene: those points are not asked.
    near = np.where(scene.inside_bounds(points)[:, None], points, scene.bounds.mean(0))
    around, distance = scene.inside_object(near), scene.distance_to_surface(near)
    texts = []
    for k, code in enumerate(reason):
        text = f"it {REASONS[code]}" if code else ""
        if code and around[k] >= 0:
            text = f"it is inside {room.labels[around[k]]!r}"
        elif REASONS[code] == TOO_NEAR:
            text = (
                f"it is {distance[k]:.2f} m from a surface, less than the clearance of "
                f"{room.space.region.clearance:g} m"
            )
        elif REASONS[code] == AT_HEIGHT:
            low, high = room.space.heights(transmitter=bool(transmitter[k])) or (0.0, np.inf)
            text = f"it is not {low:g} to {high:g} m above the ground"
        texts.append(text)
    return texts


def _material(
    text: str, table: Mapping[str, tuple[float, float]], nearest: NearestMaterial
) -> tuple[str | None, str]:
    """The class named by an answer's text, and a remark if the text was interpreted."""
    try:
        material = material_class(text[:200])
    except MaterialError:
        found = nearest(text[:200])
        if found is None or found not in table:
            return None, ""
        return found, f"{printable(text, 60)!r} taken for {found}"
    return (material, "") if material in table else (None, "")


def _same(given: tuple[float | None, float | None], row: tuple[float, float]) -> bool:
    return all(
        a is None or abs(a - b) <= 1e-6 + 1e-3 * abs(b) for a, b in zip(given, row, strict=True)
    )


def _remark_keys(keys: set[str], remarks: list[str]) -> None:
    if keys:
        remarks.append(f"keys that were not asked for ignored: {_listed(sorted(keys))}")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_LISTED
    shown = ", ".join(printable(name, 60) for name in names[:MAX_LISTED])
    return shown + (f" and {more} more" if more > 0 else "")
