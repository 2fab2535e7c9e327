"""Advisors of both providers, asked on the loopback about the paper's room, and good answers."""

import dataclasses
import json
from typing import Any

import numpy as np

from tests.model_server import ModelServer
from vlmrt_dist.campaign.free_space import check_campaign
from vlmrt_dist.rendering.images import SceneImage
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.advisor import MaterialAdvice, PositionAdvice
from vlmrt_dist.vlm.options import Gemini, OpenAICompatible
from vlmrt_dist.vlm.registry import advisor_named

SECRET = "AIza-planted-secret-0002"
FREQUENCY = 3.5e9
TABLE = itu.conductivity_table(FREQUENCY)
ROOM = box_room()
IMAGES = (
    SceneImage(b"\x89PNG overhead", "render", "overhead", 4, 3),
    SceneImage(b"\x89PNG perspective", "render", "perspective", 4, 3),
)
PROVIDERS = ("gemini", "openai_compatible")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def options_of(provider: str, **options: Any) -> Gemini | OpenAICompatible:
    """Options of a provider from flat ones: those of connection, budget and answers in one list."""
    kind: Any = {"gemini": Gemini, "openai_compatible": OpenAICompatible}[provider]
    for part in ("connection", "budget", "answers"):
        default = getattr(kind, part)
        names = {field.name for field in dataclasses.fields(default)} & options.keys()
        options[part] = dataclasses.replace(default, **{n: options.pop(n) for n in names})
    made: Gemini | OpenAICompatible = kind(**options)
    return made


def advisor(provider: str, server: ModelServer, **options: Any) -> Any:
    options = {"backoff": 0.001, "retries": 2, "base_url": server.url} | options
    if provider == "openai_compatible":
        options = {"model": "seer"} | options
        options["base_url"] += "/v1"
    return advisor_named(options_of(provider, **options))


def ask(advisor: Any, images: tuple[SceneImage, ...] = ()) -> MaterialAdvice:
    advice: MaterialAdvice = advisor.propose_materials(images, ROOM, TABLE, frequency=FREQUENCY)
    assert advice.prior.names == ROOM.names  # whatever was answered: every object, once
    return advice


def place(advisor: Any, m: int = 2, n: int = 2, **options: Any) -> PositionAdvice:
    advice: PositionAdvice = advisor.propose_positions((), ROOM, m, n, **options)
    assert advice.campaign.rx.shape == (m, n, 3)
    assert len(advice.reasons) == m * (1 + n)
    check_campaign(ROOM, advice.campaign)
    points = np.concatenate([advice.campaign.tx, advice.campaign.rx.reshape(-1, 3)])
    assert (ROOM.distance_to_surface(points) >= 0.3).all()
    return advice


def entry(name: str, material: str = "plywood", **more: Any) -> dict[str, Any]:
    row = dict(zip("cd", TABLE.get(material.lower(), (0.0, 0.0)), strict=True))
    return {
        "object": name,
        "material": material,
        **row,
        "confidence": 0.75,
        "source": "seen",
    } | more


def materials(*entries: dict[str, Any], names: tuple[str, ...] = ROOM.names) -> str:
    """An answer that names every object plywood, but for the given ones; None leaves it out."""
    given = {e["object"]: e for e in entries}
    return json.dumps({"materials": [given.get(name, entry(name)) for name in names]})


def at(x: float, y: float, z: float) -> dict[str, Any]:
    return {"x": x, "y": y, "z": z, "reason": f"looks at ({x}, {y})"}


GOOD_SETUPS = [
    {"tx": at(0, 0, 1.5), "rx": [at(1, 0, 1.5), at(2, 0, 1.5)]},
    {"tx": at(0, 4, 2), "rx": [at(1, 0, 1.5), at(-3, 3, 2)]},
]
GOOD = materials()
ALL_PLYWOOD = ("plywood",) * 9
