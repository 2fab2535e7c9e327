"""Questions about a scene, from prompt templates.

The prompts are text files in ``prompts``, one a version; the version's name goes into every
:class:`~vlmrt_dist.vlm.advisor.Usage`. They carry the paper's Prompts 1 and 2 over, with an answer
that is valid JSON.

The description of a scene is made from the :class:`SceneModel`, never from a user's file. It holds
no conductivities, and no material classes in questions about materials. Object names are those of
the file, unless ``anonymous`` replaces them by ``object_1``, ``object_2``, ... and leaves the
material classes out of every question, so that a model has to look at the pictures.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from vlmrt_dist.campaign import AntennaSpace
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.vlm.questions import Question

MATERIALS_PROMPT = "materials_v1"
POSITIONS_PROMPT = "positions_v1"
REPAIR_PROMPT = "repair_v1"

OBJECTS_PER_QUESTION = 200
"""Most objects in one question about materials; more objects take more questions."""

MAX_XML_OBJECTS = 300
"""Most objects in the XML of a question about positions; the largest are listed."""

MAX_POSITIONS = 1000
"""Most positions, M · (1 + N), in one question."""

MAX_PROBLEMS = 300
"""Most problems listed in a request for repair."""

MAX_CORNERS = 100
"""Most corners of a region in a question; of a finer one its bounds are told."""

MIN_SEPARATION = 0.1
"""Least distance of distinct positions [m]."""

_NUMBER = {"type": "number"}
TEXT = {"type": "string"}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema of an object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def several(item: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema of an array."""
    return {"type": "array", "items": item}


_POSITION = {"x": _NUMBER, "y": _NUMBER, "z": _NUMBER, "reason": TEXT}
POSITIONS_SCHEMA = closed(
    {"setups": several(closed({"tx": closed(_POSITION), "rx": several(closed(_POSITION))}))}
)
REPAIRED_POSITIONS_SCHEMA = closed(
    {
        "positions": several(
            closed({"setup": {"type": "integer"}, "receiver": {"type": "integer"}, **_POSITION})
        )
    }
)
REPAIRED_POSITIONS_FORM = (
    '{"positions": [{"setup": 1, "receiver": 0, "x": 2.5, "y": 1.0, "z": 1.5, "reason": "..."}]} '
    "(setups count from 1; receiver 0 is the transmitter)"
)


def prompt_labels(scene: SceneModel, anonymous: bool) -> tuple[str, ...]:
    """Names of the K objects in prompts."""
    if anonymous:
        return tuple(f"object_{k + 1}" for k in range(scene.num_objects))
    return scene.names


def materials_question(
    scene: SceneModel,
    objects: Sequence[int],
    labels: Sequence[str],
    table: Mapping[str, tuple[float, float]],
    frequency: float,
    images: Sequence[SceneImage],
) -> Question:
    """Prompt 1 about some of the objects.

    :param objects: indices of the objects in question
    :param labels: [K] names of all objects in prompts
    :param table: material name -> (c, d), the closed list
    :param frequency: carrier [Hz]
    """
    text = filled(
        MATERIALS_PROMPT,
        frequency_ghz=f"{frequency / 1e9:g}",
        count=len(objects),
        objects="\n".join(object_line(scene, k, labels[k]) for k in objects),
        table="\n".join(f"{json.dumps(name)}: [{c!r}, {d!r}]" for name, (c, d) in table.items()),
        **room_corners(scene),
    )
    entry = {"object": TEXT, "material": {"type": "string", "enum": list(table)}}
    entry |= {"c": _NUMBER, "d": _NUMBER, "confidence": _NUMBER, "source": TEXT}
    return Question(
        text=text,
        schema=closed({"materials": several(closed(entry))}),
        prompt=MATERIALS_PROMPT,
        subject=f"the materials of {len(objects)} objects of {scene.num_objects}",
        images=tuple(images),
    )


def positions_question(
    space: AntennaSpace,
    num_setups: int,
    num_receivers: int,
    images: Sequence[SceneImage],
    *,
    anonymous: bool,
) -> Question:
    """Prompt 2.

    :param space: the scene, and where antennas may stand
    :raises CampaignError: as :func:`check_counts`
    """
    check_counts(num_setups, num_receivers)
    text = filled(
        POSITIONS_PROMPT,
        num_setups=num_setups,
        num_receivers=num_receivers,
        clearance=f"{space.region.clearance:g}",
        rules=_rules(space),
        separation=f"{MIN_SEPARATION:g}",
        xml=compact_xml(space.scene, anonymous=anonymous),
        **room_corners(space.scene),
    )
    return Question(
        text=text,
        schema=POSITIONS_SCHEMA,
        prompt=POSITIONS_PROMPT,
        subject=f"positions of {num_setups} setups of {num_receivers} receivers",
        images=tuple(images),
    )


def check_counts(num_setups: int, num_receivers: int) -> None:
    """:raises CampaignError: if a count is not positive, or more positions are asked for than fit
    into one answer
    """
    if num_setups < 1 or num_receivers < 1:
        raise CampaignError("a campaign needs at least one setup and one receiver per setup")
    count = num_setups * (1 + num_receivers)
    if count > MAX_POSITIONS:
        raise CampaignError(
            f"a model is asked for at most {MAX_POSITIONS} positions; {num_setups} setups of "
            f"{num_receivers} receivers are {count}. Use the placement 'random' or 'd_optimal'"
        )


def _rules(space: AntennaSpace) -> str:
    """Rules of a position that a region or a street adds, a line each."""
    lines = ["- stand in the street under the open sky, not inside or on a building;"]
    lines = lines if space.street else []
    for who, transmitter in (("transmitter", True), ("receiver", False)):
        heights = space.heights(transmitter=transmitter)
        if heights is not None:
            low, high = heights
            lines.append(f"- if it is a {who}, be {low:g} to {high:g} m above the ground or floor;")
    area = space.region.polygons
    if area is not None:
        rings = [ring for polygon in area.polygons for ring in polygon]
        corners = sum(map(len, rings))
        if corners <= MAX_CORNERS:
            text = "; ".join(" ".join(f"({x:g}, {y:g})" for x, y in ring) for ring in rings)
            lines.append(f"- lie, seen from above, inside the polygon (holes after it) {text};")
        else:
            (x0, y0), (x1, y1) = area.bounds
            lines.append(
                f"- lie in the allowed region, between ({x0:g}, {y0:g}) and ({x1:g}, {y1:g});"
            )
    return "".join("\n" + line for line in lines)


def repair_question(
    question: Question,
    problems: Iterable[Mapping[str, Any]],
    what: str,
    form: str,
    schema: dict[str, Any] | None = None,
) -> Question:
    """``question`` again, for the invalid parts of its answer.

    :param problems: one JSON object for each problem; its texts are untrusted
    :param what: the invalid parts, in words
    :param form: an example of the answer
    :param schema: JSON Schema of the answer; None: that of ``question``
    """
    lines = [json.dumps(problem, ensure_ascii=False) for problem in problems]
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = [json.dumps({"more problems": len(lines) - MAX_PROBLEMS})]
    text = filled(
        REPAIR_PROMPT, original=question.text, problems="\n".join(lines), what=what, form=form
    )
    return Question(
        text=text,
        schema=question.schema if schema is None else schema,
        prompt=f"{question.prompt}+{REPAIR_PROMPT}",
        subject=f"{question.subject}, repair",
        images=question.images,
    )


def form_of(question: Question) -> str:
    """The line of a prompt that shows what the answer looks like."""
    return question.text.rstrip().rsplit("\n", 1)[-1]


def compact_xml(scene: SceneModel, *, anonymous: bool = False) -> str:
    """The scene's geometry as XML: one element a line, bounding boxes [m].

    Made anew because the scene file names mesh files instead of coordinates. Of more than
    ``MAX_XML_OBJECTS`` objects the largest are kept, in the scene's order.
    """
    boxes = scene.bounding_boxes
    labels = prompt_labels(scene, anonymous)
    size = np.sort(boxes[:, 1] - boxes[:, 0], axis=1)
    kept = np.sort(np.argsort(-size[:, 1] * size[:, 2], kind="stable")[:MAX_XML_OBJECTS])
    lines = ["<scene>"]
    for k in kept:
        material = "" if anonymous else f" material={quoteattr(scene.materials[k])}"
        lines.append(
            f"  <object name={quoteattr(labels[k])}{material} shape={quoteattr(_shape(scene, k))}"
            f' lower="{_point(boxes[k, 0])}" upper="{_point(boxes[k, 1])}"/>'
        )
    if len(kept) < scene.num_objects:
        lines.append(f"  <!-- {scene.num_objects - len(kept)} smaller objects are left out -->")
    return "\n".join([*lines, "</scene>"])


def object_line(scene: SceneModel, k: int, label: str) -> str:
    """An object as JSON: its name in prompts, centre and size of its bounding box [m], shape."""
    low, high = scene.bounding_boxes[k]
    return json.dumps(
        {
            "object": label,
            "centre": _rounded((low + high) / 2.0),
            "size": _rounded(high - low),
            "shape": _shape(scene, k),
        },
        ensure_ascii=False,
    )


def _shape(scene: SceneModel, k: int) -> str:
    low, high = scene.bounding_boxes[k]
    flat = np.flatnonzero(high - low <= 1e-6)
    if len(flat) == 0:
        return "solid" if scene.objects[k].closed else "open surface"
    return "horizontal plate" if 2 in flat else "upright plate"


def room_corners(scene: SceneModel) -> dict[str, str]:
    """The scene's bounds [m], for a prompt."""
    return {"room_low": _point(scene.bounds[0]), "room_high": _point(scene.bounds[1])}


def _rounded(values: np.ndarray) -> list[float]:
    return [float(np.round(value, 3)) + 0.0 for value in values]


def _point(values: np.ndarray) -> str:
    return " ".join(f"{value:.10g}" for value in _rounded(values))


def filled(name: str, **values: Any) -> str:
    """A prompt template filled in one pass, so that inserted text is never expanded."""
    return string.Template(_template(name)).substitute(values)


def _template(name: str) -> str:
    return (resources.files("vlmrt_dist.vlm") / "prompts" / f"{name}.txt").read_text("utf-8")
