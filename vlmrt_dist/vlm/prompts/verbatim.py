"""The paper's Prompts 1 and 2 as its appendix prints them, task and schema included.

Prompt 1 shows pictures and the printed table, and names no object: a model names what it sees.
Which object of the scene each of its entries means is asked by a question of our own
(``assignment_v1``), where the paper's authors read it themselves. Prompt 2 holds the scene as XML.
No schema is sent beside the text, as chats with the model know none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from vlmrt_dist.campaign import AntennaSpace
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import PAPER_2040, SceneModel
from vlmrt_dist.vlm.prompts.builder import (
    TEXT,
    check_counts,
    closed,
    compact_xml,
    filled,
    object_line,
    room_corners,
    several,
)
from vlmrt_dist.vlm.questions import Question

VERBATIM_MATERIALS = "materials_verbatim_v1"
VERBATIM_POSITIONS = "positions_verbatim_v1"
ASSIGNMENT_PROMPT = "assignment_v1"

MATERIALS_FORM = (
    '[{"material_name": "Wall1_Brick", "c": 0.0238, "d": 0.16, "source": "ITU-R: Brick"}]'
)
"""A list of objects, each with its keys once, as the repaired answer is to be."""


def verbatim_materials_question(images: Sequence[SceneImage]) -> Question:
    """Prompt 1 with the table that the paper prints."""
    rows = ",\n".join(f'"{name}": ({c!r}, {d!r})' for name, (c, d) in PAPER_2040.items())
    return Question(
        text=filled(VERBATIM_MATERIALS, table=f"{{{rows}}}"),
        schema=None,
        prompt=VERBATIM_MATERIALS,
        subject="the materials of what is seen",
        images=tuple(images),
    )


def assignment_question(
    scene: SceneModel,
    objects: Sequence[int],
    labels: Sequence[str],
    entries: Mapping[str, str],
    images: Sequence[SceneImage],
) -> Question:
    """Which entry of an answer to Prompt 1 each of some objects is.

    :param objects: indices of the objects in question
    :param labels: [K] names of all objects in prompts
    :param entries: material by the name that the answer gave
    """
    lines = [
        json.dumps({"entry": name, "material": material}, ensure_ascii=False)
        for name, material in entries.items()
    ]
    text = filled(
        ASSIGNMENT_PROMPT,
        count=len(objects),
        entries="\n".join(lines),
        objects="\n".join(object_line(scene, k, labels[k]) for k in objects),
        **room_corners(scene),
    )
    entry = {"object": TEXT, "entry": {"type": "string", "enum": list(entries)}}
    return Question(
        text=text,
        schema=closed({"assignments": several(closed(entry))}),
        prompt=ASSIGNMENT_PROMPT,
        subject=f"which entry each of {len(objects)} objects of {scene.num_objects} is",
        images=tuple(images),
    )


def verbatim_positions_question(
    space: AntennaSpace,
    num_setups: int,
    num_receivers: int,
    images: Sequence[SceneImage],
    *,
    anonymous: bool,
) -> Question:
    """Prompt 2. It states no rule of where an antenna may stand: what violates one is repaired.

    :param space: the scene, and where antennas may stand
    :raises CampaignError: as :func:`~vlmrt_dist.vlm.prompts.builder.check_counts`
    """
    check_counts(num_setups, num_receivers)
    text = filled(
        VERBATIM_POSITIONS,
        num_setups=num_setups,
        num_receivers=num_receivers,
        xml=compact_xml(space.scene, anonymous=anonymous),
    )
    return Question(
        text=text,
        schema=None,
        prompt=VERBATIM_POSITIONS,
        subject=f"positions of {num_setups} setups of {num_receivers} receivers",
        images=tuple(images),
    )
