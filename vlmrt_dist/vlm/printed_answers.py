"""Answers in the form that the paper's prompts print, brought into the form that is checked.

The printed schemas are one JSON object whose keys come again for each entry. Both that and a list
of objects are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene import material_class
from vlmrt_dist.vlm.parsing import UnreadableAnswer, printable, read_array
from vlmrt_dist.vlm.validation import CheckedMaterials, NearestMaterial, check_materials

UNSTATED_CONFIDENCE = 0.8
"""Confidence in a material whose answer states none, as the printed schema has no place for it."""

MAX_ENTRIES = 500
"""Most entries of an answer that are listed for the assignment to objects."""


class PrintedMaterial(BaseModel):
    """An entry of an answer to Prompt 1 as printed; c and d are not used, see ``MaterialEntry``."""

    model_config = ConfigDict(strict=True, extra="ignore")

    material_name: str
    source: str = ""


@dataclass(frozen=True)
class SeenMaterial:
    """What a model named in the pictures.

    :param material: class of the closed list
    :param source: as the answer states it
    """

    material: str
    source: str


def read_seen(
    text: str, table: Mapping[str, tuple[float, float]], nearest: NearestMaterial
) -> tuple[dict[str, SeenMaterial], list[str]]:
    """What an answer to the printed Prompt 1 names, by its own names, and remarks.

    The class is read from the source ("ITU-R: Brick"), or else from the name ("Wall1_Brick").

    :param table: material class -> (c, d), the closed list
    :param nearest: maps other words to a class
    :raises UnreadableAnswer: if it is no list, or names nothing of the table
    """
    seen: dict[str, SeenMaterial] = {}
    unusable = 0
    for raw in read_array(text)[:MAX_ENTRIES]:
        try:
            entry = PrintedMaterial.model_validate(raw)
        except ValidationError:
            unusable += 1
            continue
        material = _class_of(entry, table, nearest)
        name = printable(entry.material_name, 60)
        if material is None or not name or name in seen:
            unusable += 1
            continue
        seen[name] = SeenMaterial(material, printable(entry.source, 120))
    if not seen:
        raise UnreadableAnswer("no entry has a material_name with a material of the table")
    remark = f"{unusable} entries without a material of the table, or named twice, left out"
    return seen, [remark] if unusable else []


def check_assignments(
    entries: Sequence[Any],
    labels: Sequence[str],
    seen: Mapping[str, SeenMaterial],
    table: Mapping[str, tuple[float, float]],
    nearest: NearestMaterial,
) -> CheckedMaterials:
    """The materials of objects that were assigned to what was seen.

    :param entries: the assignments, as parsed from JSON, unchecked
    :param labels: the requested objects
    """
    choices, unknown = [], {}
    for raw in entries:
        name = raw.get("entry") if isinstance(raw, dict) else None
        label = raw.get("object") if isinstance(raw, dict) else None
        found = seen.get(name) if isinstance(name, str) else None
        choice: dict[str, Any] = {"object": label, "confidence": UNSTATED_CONFIDENCE}
        if found is not None:
            source = f"{found.source or f'ITU-R: {found.material}'}, seen as {name}"
            choice |= {"material": found.material, "source": source}
        elif isinstance(label, str):
            unknown[label] = f"there is no entry {printable(str(name), 60)!r}"
        choices.append(choice)
    checked = check_materials(choices, labels, table, nearest)
    checked.problems |= {k: why for k, why in unknown.items() if k in checked.problems}
    return checked


def printed_setups(text: str) -> list[Any]:
    """The setups of an answer to the printed Prompt 2, each the transmitter and the receivers that
    follow it in the list.

    :raises UnreadableAnswer: if it is no list, or an entry is neither Tx nor Rx
    """
    setups: list[dict[str, Any]] = []
    for raw in read_array(text):
        kind = raw.get("type") if isinstance(raw, dict) else None
        kind = kind.strip().lower() if isinstance(kind, str) else None
        if kind not in ("tx", "rx"):
            raise UnreadableAnswer('an entry has no "type" that is "Tx" or "Rx"')
        place = {key: raw[key] for key in ("x", "y", "z") if key in raw}
        if isinstance(raw.get("reasoning"), str):
            place["reason"] = raw["reasoning"]
        if kind == "tx":
            setups.append({"tx": place, "rx": []})
        elif setups:
            setups[-1]["rx"].append(place)
        else:
            raise UnreadableAnswer("the list begins with a receiver; a Tx begins each setup")
    return setups


def _class_of(
    entry: PrintedMaterial,
    table: Mapping[str, tuple[float, float]],
    nearest: Callable[[str], str | None],
) -> str | None:
    stated = entry.source.rsplit(":", 1)[-1].strip()
    for text in (stated, entry.material_name.rsplit("_", 1)[-1]):
        try:
            material = material_class(text[:200])
        except MaterialError:
            continue
        if material in table:
            return material
    for text in (stated, entry.material_name):
        found = nearest(text[:200])
        if found in table:
            return found
    return None
