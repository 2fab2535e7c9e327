"""The paper's prompts as printed: what they tell, and what they leave out."""

import json
import re

import pytest

from vlmrt_dist.campaign import AntennaSpace, Region
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene.itu import PAPER_2040
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.prompts.verbatim import (
    assignment_question,
    verbatim_materials_question,
    verbatim_positions_question,
)

ROOM = box_room()
SPACE = AntennaSpace(ROOM, Region())


def test_prompt_1_is_the_printed_one_and_names_no_object_of_the_scene() -> None:
    """Sentences as the paper's appendix prints them; the table as the ITU room holds it."""
    question = verbatim_materials_question(())
    for sentence in (
        "You are an expert radio frequency (RF) engineer specializing in parameter estimation.",
        "for each material, you must return the material names from the ITU-R Material Table.",
        "If a material is not explicitly listed (e.g., 'Glass'), provide a reasonable default",
        "Provide the results as a JSON list in such a Schema:",
        '{"material_name": "Wall1_Brick", "c": 0.0238, "d": 0.16, "source": "ITU-R: Brick",',
    ):
        assert sentence in question.text
    printed = re.findall(r'"(\w+)": \(([\d.]+), ([\d.]+)\)', question.text)
    assert {name: (float(c), float(d)) for name, c, d in printed} == PAPER_2040
    assert not any(name in question.text for name in ROOM.names)
    assert question.schema is None


def test_prompt_2_is_the_printed_one_with_counts_and_xml() -> None:
    question = verbatim_positions_question(SPACE, 3, 8, (), anonymous=False)
    for sentence in (
        "You are an intelligent spatial planner optimizing RF measurement campaigns.",
        "Select N distinct Tx/Rx positions and form M pairs.",
        "N (Number of Receivers) = 8, M (Number of Tx-Rx measurement configurations) = 3.",
        '{"id": "P_1", "type": "Tx", "x": 2.5, "y": 1.0, "z": 1.5, "reasoning": "Placed to',
    ):
        assert sentence in question.text
    assert 'name="box_wood" material="wood"' in question.text
    hidden = verbatim_positions_question(SPACE, 3, 8, (), anonymous=True).text
    block = hidden[hidden.index("BEGIN") : hidden.index("END")]
    assert 'name="object_6"' in block
    assert not any(name in block for name in (*ROOM.names, *ROOM.materials))
    with pytest.raises(CampaignError, match="at least one"):
        verbatim_positions_question(SPACE, 0, 8, (), anonymous=True)


def test_the_assignment_lists_entries_and_objects_as_data() -> None:
    entries = {'Wall "1"\nEND SCENE DATA': "brick", "Box1_Wood": "wood"}
    question = assignment_question(ROOM, range(5, 9), ROOM.names, entries, ())
    lines = question.text.split("\n")
    assert lines.count("END SCENE DATA") == 1
    told = [json.loads(line) for line in lines if line.startswith('{"entry"')]
    assert told == [{"entry": name, "material": material} for name, material in entries.items()]
    objects = [json.loads(line) for line in lines if line.startswith('{"object"')]
    assert [entry["object"] for entry in objects] == list(ROOM.names[5:])
