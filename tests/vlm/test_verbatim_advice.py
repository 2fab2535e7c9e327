"""The printed prompts asked on the loopback: their forms are read, what is wrong is mended."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import Asked, ModelServer
from tests.vlm.loopback import ALL_PLYWOOD, FREQUENCY, ROOM, TABLE, advisor, ask, at, place
from vlmrt_dist.vlm.options import Recorded
from vlmrt_dist.vlm.printed_answers import UNSTATED_CONFIDENCE
from vlmrt_dist.vlm.registry import advisor_named

pytestmark = pytest.mark.usefixtures("planted_keys")

PRINTED = (
    '[{"material_name": "Wall1_Brick", "c": 0.0238, "d": 0.16, "source": "ITU-R: Brick",'
    ' "material_name": "Box1_Wood", "c": 0.0047, "d": 1.0718, "source": "ITU-R: wood",'
    ' "material_name": "Box2_Marble", "c": 0.0055, "d": 0.9262, "source": "ITU-R: Marble"}]'
)
"""Three entries in one object, as the paper's schema is printed."""
LISTED = json.dumps(
    [
        {"material_name": "Wall1_Brick", "c": 0.0238, "d": 0.16, "source": "ITU-R: Brick"},
        {"material_name": "Box1_Wood", "c": 0.0047, "d": 1.0718, "source": "ITU-R: wood"},
        {"material_name": "Box2", "c": 0.0055, "d": 0.9262, "source": "polished Marble"},
    ]
)
FENCED = f"Here is the list.\n```json\n{PRINTED}\n```\nAsk if you need more."
SEEN = {5: "Box1_Wood", 7: "Box2_Marble"}


def assigned(names: dict[int, str], labels: tuple[str, ...] = ROOM.names) -> str:
    """An answer in which every object is the wall but for some."""
    return json.dumps(
        {
            "assignments": [
                {"object": label, "entry": names.get(k, "Wall1_Brick")}
                for k, label in enumerate(labels)
            ]
        }
    )


@pytest.mark.parametrize("text", [PRINTED, FENCED, LISTED], ids=["printed", "fenced", "listed"])
def test_what_is_seen_is_assigned_to_objects(provider: str, server: ModelServer, text: str) -> None:
    marble = "Box2" if text == LISTED else "Box2_Marble"
    server.answers(text, assigned(SEEN | {7: marble}))
    prior, usage = ask(advisor(provider, server, prompt="verbatim"))
    expected = {5: "wood", 7: "marble"}
    assert prior.materials == tuple(expected.get(k, "brick") for k in range(9))
    assert set(prior.confidence) == {UNSTATED_CONFIDENCE}
    assert prior.sources[5] == "ITU-R: wood, seen as Box1_Wood"
    assert usage.prompt == "materials_verbatim_v1+assignment_v1"
    assert (server.count, usage.remarks) == (2, ())
    assert not any(name in server.asked[0].text for name in ROOM.names)
    assert not has_schema(server.asked[0])
    assert has_schema(server.asked[1])


def has_schema(asked: Asked) -> bool:
    if asked.gemini:
        return "responseJsonSchema" in asked.body.get("generationConfig", {})
    return "response_format" in asked.body


def test_hidden_names_do_not_come_back_with_the_fallback(
    provider: str, server: ModelServer
) -> None:
    labels = tuple(f"object_{k}" for k in range(1, 10))
    server.answers(PRINTED, assigned({5: "Box9_Gold"}, labels), assigned({}, labels[:1]))
    prior, usage = ask(advisor(provider, server, prompt="verbatim", anonymous=True))
    assert "there is no entry 'Box9_Gold'" in server.asked[2].text
    assert usage.prompt == "materials_verbatim_v1+assignment_v1+repair_v1 (anonymous)"
    # A box is a thing by its shape, and things are often wood; its name would say so surely.
    assert prior.materials == ("brick",) * 5 + ("wood",) + ("brick",) * 3
    assert prior.confidence[5] < 0.2
    assert "by its shape" in prior.sources[5]
    assert not any(name in asked.text for asked in server.asked for name in ROOM.names)


def test_an_answer_that_names_nothing_is_asked_for_again(
    provider: str, server: ModelServer
) -> None:
    gold = '[{"material_name": "Idol", "source": "gold"}]'
    server.answers(gold, LISTED, assigned({}))
    advice = ask(advisor(provider, server, prompt="verbatim"))
    assert advice.prior.materials == ("brick",) * 9
    assert server.count == 3
    assert "no entry has a material_name" in server.asked[1].text

    server.answers(gold)  # for ever: objects are never asked about
    advice = ask(advisor(provider, server, prompt="verbatim", cache=False))
    assert advice.prior.materials == ROOM.materials  # the offline advisor's
    assert server.count == 2
    assert any("fallback: the offline advisor" in remark for remark in advice.usage.remarks)


UNUSABLE: dict[str, Any] = {
    "an object": '{"materials": []}',
    "no key comes first again": '[{"c": 1.0, "material_name": "a", "material_name": "b"}]',
    "cut": PRINTED[:-10],
    "two blocks": f"```\n{LISTED}\n```\n```\n{LISTED}\n```",
    "empty list": "[]",
    "numbers": "[1, null, [[]]]",
    "the printed comment": PRINTED.replace("}]", ", // ... more materials]"),
}


@pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_list_is_asked_for_once_more(server: ModelServer, text: str) -> None:
    server.answers(text, LISTED, assigned({}))
    advice = ask(advisor("openai_compatible", server, prompt="verbatim"))
    assert advice.prior.materials == ("brick",) * 9
    assert server.count == 3


def spot(kind: str, x: float, y: float, z: float) -> dict[str, Any]:
    return {"id": "P", "type": kind, "x": x, "y": y, "z": z, "reasoning": f"looks at ({x}, {y})"}


SPOTS = [
    spot("Tx", 0, 0, 1.5), spot("Rx", 1, 0, 1.5), spot("Rx", 2, 0, 1.5),
    spot("TX", 0, 4, 2), spot("rx", 1, 0, 1.5), spot("rx", -3, 3, 2),
]  # fmt: skip


@pytest.mark.parametrize("as_printed", [False, True])
def test_receivers_belong_to_the_transmitter_before_them(
    provider: str, server: ModelServer, as_printed: bool
) -> None:
    text = json.dumps(SPOTS)
    server.answers(text.replace("}, {", ", ") if as_printed else text)
    campaign, reasons, usage = place(advisor(provider, server, prompt="verbatim"))
    assert campaign.tx.tolist() == [[0, 0, 1.5], [0, 4, 2]]
    assert campaign.rx[1].tolist() == [[1, 0, 1.5], [-3, 3, 2]]
    assert reasons[5] == "looks at (-3, 3)"
    assert (usage.prompt, usage.remarks, server.count) == ("positions_verbatim_v1", (), 1)


@pytest.mark.parametrize(
    "spots", [SPOTS[1:], [*SPOTS, spot("relay", 0, 0, 1)], SPOTS[:3], [{"type": 3}], [3]]
)
def test_missing_or_unknown_spots_are_repaired(server: ModelServer, spots: list[Any]) -> None:
    slots = [(m, n) for m in (1, 2) for n in range(3)]
    mended = [
        {"setup": m, "receiver": n, **at(-4 + m, -1 - n / 2, 2.2)} for m, n in slots
    ]  # fmt: skip
    server.answers(json.dumps(spots), json.dumps({"positions": mended}))
    advice = place(advisor("openai_compatible", server, prompt="verbatim"))
    assert server.count == 2
    assert advice.usage.prompt == "positions_verbatim_v1+repair_v1"
    assert not any(reason.startswith("fallback") for reason in advice.reasons)


def test_a_recording_of_printed_prompts_replays(server: ModelServer, tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    server.answers(PRINTED, assigned(SEEN), json.dumps(SPOTS))
    asked = advisor("openai_compatible", server, prompt="verbatim", record=path)
    prior, campaign = ask(asked).prior, place(asked).campaign
    again = advisor_named(Recorded(path, prompt="verbatim"))
    replayed = again.propose_materials((), ROOM, TABLE, frequency=FREQUENCY)
    assert replayed.prior.materials == prior.materials != ALL_PLYWOOD
    assert again.propose_positions((), ROOM, 2, 2).campaign.key == campaign.key
