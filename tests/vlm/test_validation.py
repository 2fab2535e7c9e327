from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign import AntennaSpace, Region
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.validation import (
    CheckedMaterials,
    CheckedPositions,
    Room,
    check_materials,
    check_repaired,
    check_setups,
    closed_list,
)

TABLE = itu.conductivity_table(3.5e9)
SCENE = box_room()
ROOM = Room(AntennaSpace(SCENE, Region()), SCENE.names)


def entry(name: str = "a", material: str = "brick", **more: Any) -> dict[str, Any]:
    c, d = TABLE.get(material, (0.0238, 0.16))
    return {"object": name, "material": material, "c": c, "d": d, "confidence": 0.5, "source": "s",
            **more}  # fmt: skip


def nearest(text: str) -> str | None:
    return {"oak planks": "wood", "parquet": "floorboard"}.get(text)


def check(entries: Sequence[Any], labels: Sequence[str] = ("a",)) -> CheckedMaterials:
    return check_materials(entries, labels, TABLE, nearest)


@pytest.mark.parametrize(
    ("said", "material"),
    [
        ("brick", "brick"),
        ("Brick", "brick"),
        (" CONCRETE ", "concrete"),
        ("itu_marble", "marble"),
        ("Glass_low_freq", "glass"),
        ("Ceiling_board_low_freq", "ceiling_board"),
    ],
)
def test_names_of_the_table_are_taken_as_the_paper_writes_them(said: str, material: str) -> None:
    checked = check([entry(material=said, c=None, d=None)])
    assert checked.valid["a"].material == material
    assert not checked.problems
    assert not checked.remarks


def test_the_nearest_class_is_taken_and_said() -> None:
    checked = check([entry(material="oak planks", c=None, d=None)])
    assert checked.valid["a"].material == "wood"
    assert checked.remarks == ["a: 'oak planks' taken for wood"]


@pytest.mark.parametrize("said", ["unobtainium", "", "floorboard", "parquet", "brick; wood"])
def test_names_outside_the_list_are_problems(said: str) -> None:
    """Floorboard is a class, but not valid at the carrier; the nearest may not be, either."""
    checked = check([entry(material=said)])
    assert "not in the table" in checked.problems["a"]
    assert not checked.valid


def test_every_object_exactly_once() -> None:
    checked = check(
        [entry("a"), entry("b"), entry("b", "wood"), entry("z"), "text", None, {"material": "x"}],
        ("a", "b", "c"),
    )
    assert list(checked.valid) == ["a"]
    assert "more than once" in checked.problems["b"]
    assert checked.problems["c"] == "it is missing"
    assert any("not asked about ignored: z" in remark for remark in checked.remarks)


def test_the_same_answer_twice_is_a_problem_too() -> None:
    assert "more than once" in check([entry(), entry(), entry()]).problems["a"]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, "0.5", None, True])
def test_a_confidence_is_a_number_from_0_to_1(confidence: Any) -> None:
    assert "confidence" in check([entry(confidence=confidence)]).problems["a"]


def test_c_and_d_are_the_tables_whatever_is_said() -> None:
    assert check([entry(c=0.0238, d=0.16)]).remarks == []
    for c, d in ((1.0, 0.16), (0.0238, 2.0)):
        checked = check([entry(c=c, d=d)])
        assert checked.valid["a"].material == "brick"
        assert checked.remarks == ["c, d differ from the table's, which are used: a"]


def test_further_keys_are_ignored_and_said() -> None:
    checked = check([entry(thoughts="long")])
    assert checked.valid
    assert checked.remarks == ["keys that were not asked for ignored: thoughts"]


def test_sources_are_one_printable_line() -> None:
    assert "\n" not in check([entry(source="a\n\x1b[2J" * 400)]).valid["a"].source
    assert check([entry(source="")]).valid["a"].source == "ITU-R: brick"


def test_a_table_may_carry_the_papers_names() -> None:
    rows = closed_list(itu.PAPER_2040)
    assert rows["glass"] == (0.0036, 1.3394)  # the first of its two rows
    assert set(rows) <= set(itu.MATERIALS)
    with pytest.raises(MaterialError, match="empty"):
        closed_list({})
    with pytest.raises(MaterialError, match="unobtainium"):
        closed_list({"unobtainium": (1.0, 1.0)})


def at(x: Any, y: Any, z: Any, reason: Any = "why") -> dict[str, Any]:
    return {"x": x, "y": y, "z": z, "reason": reason}


GOOD: list[dict[str, Any]] = [
    {"tx": at(0, 0, 1.5), "rx": [at(1, 0, 1.5), at(2, 0, 1.5)]},
    {"tx": at(0, 4, 2), "rx": [at(1, 0, 1.5), at(-3, 3, 2)]},
]


def setups(*places: tuple[int, int, Any]) -> CheckedPositions:
    """The good answer with other positions at (setup, antenna)."""
    answer = [{"tx": s["tx"], "rx": list(s["rx"])} for s in GOOD]
    for m, n, place in places:
        if n == 0:
            answer[m]["tx"] = place
        else:
            answer[m]["rx"][n - 1] = place
    return check_setups(answer, ROOM, 2, 2)


def test_good_positions_are_kept_with_their_reasons() -> None:
    checked = setups()
    assert not checked.problems
    assert not checked.remarks
    assert list(checked.valid) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert checked.valid[1, 2].tolist() == [-3.0, 3.0, 2.0]
    assert checked.reasons[0, 0] == "why"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (at(-3, 3, 0.5), "inside 'box_wood'"),
        (at(6, 0, 1), "outside the room"),
        (at(0, 0, -0.1), "outside the room"),
        (at(0, 0, 3.5), "outside the room"),
        (at(1e300, 0, 1), "outside the room"),
        (at(-1e308, 1e308, 1e308), "outside the room"),
        (at(4.8, 0, 1.5), "0.20 m from a surface"),
        (at(-3, 3, 1.2), "0.19 m from a surface"),
        (at(0, 0, 0), "from a surface"),
        (at(0, 0, 1.5), "nearer than 0.1 m to setup 1, transmitter"),
        (at(0.05, 0, 1.5), "nearer than 0.1 m to setup 1, transmitter"),
        (at(2, 0, 1.45), "nearer than 0.1 m"),
        (at("1", 0, 1), "x: "),
        (at(None, 0, 1), "x: "),
        (at(True, 0, 1), "x: "),
        ({"x": 1.0, "y": 2.0}, "z: "),
        (at(1, 1, 1, reason=5), "reason: "),
        ([1, 2, 3], "the entry"),
        ("0 0 1", "the entry"),
        (None, "missing"),
    ],
)
def test_each_position_is_judged_by_itself(place: Any, reason: str) -> None:
    checked = setups((0, 1, place))
    wrong = list(checked.problems)
    assert len(wrong) == 1
    assert wrong[0] in ((0, 1), (0, 2))  # of two that coincide the first is kept
    assert reason in checked.problems[wrong[0]]
    assert len(checked.valid) == 5


def test_two_transmitters_need_two_places() -> None:
    assert "setup 1, transmitter" in setups((1, 0, at(0, 0, 1.5))).problems[1, 0]


@pytest.mark.parametrize("answer", [[], [None], ["x"], [{}], [{"rx": {"x": 1}}], [[1]]])
def test_setups_of_another_shape_are_missing(answer: list[Any]) -> None:
    checked = check_setups(answer, ROOM, 1, 2)
    assert checked.problems == dict.fromkeys([(0, 0), (0, 1), (0, 2)], "it is missing")


def test_surplus_is_left_out_and_said() -> None:
    checked = check_setups([*GOOD, *GOOD], ROOM, 1, 1)
    assert list(checked.valid) == [(0, 0), (0, 1)]
    assert checked.remarks == [
        "1 surplus receivers of setup 1 left out",
        "3 surplus setups left out",
    ]


def test_a_hidden_name_is_not_told_by_a_reason() -> None:
    labels = tuple(f"object_{k + 1}" for k in range(SCENE.num_objects))
    room = Room(AntennaSpace(SCENE, Region()), labels)
    checked = check_setups([{"tx": at(-3, 3, 0.5), "rx": []}], room, 1, 1)
    assert "inside 'object_6'" in checked.problems[0, 0]


def test_a_repair_keeps_what_was_valid() -> None:
    before = setups((0, 1, at(9, 9, 9)), (1, 2, None))
    entries = [
        {"setup": 1, "receiver": 1, **at(3, 0, 2)},
        {"setup": 1, "receiver": 2, **at(4, 0, 2)},  # was valid: not to be touched
        {"setup": 2, "receiver": 2, **at(0, 0, 9)},
        {"setup": 7, "receiver": 1, **at(1, 1, 1)},
        {"setup": "2", "receiver": 2, **at(1, 1, 1)},
        "text",
    ]
    after = check_repaired(before, entries, ROOM)
    assert after.valid[0, 1].tolist() == [3.0, 0.0, 2.0]
    assert after.valid[0, 2].tolist() == [2.0, 0.0, 1.5]
    assert list(after.problems) == [(1, 2)]
    assert "outside the room" in after.problems[1, 2]
    assert sorted(before.problems) == [(0, 1), (1, 2)]  # and nothing of it changed


def test_many_random_answers_never_get_through_with_an_invalid_position() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        points = rng.uniform([-6, -6, -1], [6, 6, 4], (8, 3))
        answer = [{"tx": at(*points[0]), "rx": [at(*p) for p in points[1:]]}]
        checked = check_setups(answer, ROOM, 1, 7)
        assert len(checked.valid) + len(checked.problems) == 8
        for place in checked.valid.values():
            assert SCENE.inside_bounds(place[None])[0]
            assert SCENE.inside_object(place[None])[0] < 0
            assert SCENE.distance_to_surface(place[None])[0] >= 0.3
