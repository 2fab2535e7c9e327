import json
import sys
import time
from typing import Any

import pytest
from pydantic import ValidationError

from vlmrt_dist.vlm.parsing import (
    MAX_ANSWER_BYTES,
    MaterialEntry,
    UnreadableAnswer,
    printable,
    read_list,
    read_object,
    shape_problem,
)


def test_an_object_is_read() -> None:
    assert read_object(' {"a": [1, 2.5, "ü", null, true]} \n') == {"a": [1, 2.5, "ü", None, True]}


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}\n```", "\n```json \n{}\n  ```\n"])
def test_a_fence_is_taken_off(fence: str) -> None:
    assert read_object(fence.replace("{}", '{"a": "```"}')) == {"a": "```"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("Here you are:\n```json\n{}\n```", "not JSON"),
        ("```json\n{}\n```\nI hope this helps.", "not JSON"),
        ('{"a": 1} {"b": 2}', "not JSON"),
        ('{"a": 1,}', "not JSON"),
        ('{"a": 1', "not JSON"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1 // more\n}', "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("3", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ('{"a": NaN}', "NaN"),
        ('{"a": Infinity}', "Infinity"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "too large"),
        ('{"a": -1e999}', "too large"),
        ('{"a": 123456789012345678901}', "20 digits"),
        ('{"a": ' + "9" * 5000 + "}", "20 digits"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"b": [{"x": 1, "y": 2, "x": 1}]}', "'x' stands twice"),
        ('{"a": 1, "\\u0061": 2}', "stands twice"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ('{"\\udfff": 1}', "lone surrogate"),
        ('{"a": [["\\ud83d"]]}', "lone surrogate"),
        ('{"a": "\ud800"}', "lone surrogate"),
        ("\ufeff{}", "not JSON"),
        ('{"a": "\x01"}', "not JSON"),
    ],
)
def test_what_is_ambiguous_or_no_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableAnswer, match=reason):
        read_object(text)


def test_pairs_of_surrogates_are_a_character() -> None:
    assert read_object('{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_the_cap_counts_bytes() -> None:
    def answer(size: int, letter: str) -> str:
        return json.dumps({"a": letter * size}, ensure_ascii=False)

    assert read_object(answer(MAX_ANSWER_BYTES - 8 - 1, "x"))
    for size, letter in ((MAX_ANSWER_BYTES, "x"), (MAX_ANSWER_BYTES // 2, "é")):
        with pytest.raises(UnreadableAnswer, match=f"longer than {MAX_ANSWER_BYTES} bytes"):
            read_object(answer(size, letter))


def test_nesting_is_bounded_before_python_recurses() -> None:
    assert read_object('{"a":' * 8 + "1" + "}" * 8)
    with pytest.raises(UnreadableAnswer, match="nested more than 8"):
        read_object('{"a":' * 9 + "1" + "}" * 9)
    for text in ("[" * 100_000, '{"a":' * 50_000, '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"):
        with pytest.raises(UnreadableAnswer, match="nested"):
            read_object(text)
    assert sys.getrecursionlimit() < 50_000  # or this test shows nothing


def test_brackets_in_strings_do_not_nest() -> None:
    text = json.dumps({"a": '[[[[[[[[[[[["\\{{{{{{{{{', "[[[[[[[[[": 1})
    assert read_object(text) == json.loads(text)


def test_an_unclosed_string_does_not_take_for_ever() -> None:
    with pytest.raises(UnreadableAnswer, match="not JSON"):
        read_object('{"a": "' + "\\\\" * 60_000 + '\\"')
    begin = time.process_time()
    for text in ('"' * 200_001, '{"' + '\\"' * 120_000, '{"a": "' + "\\" * 240_001):
        with pytest.raises(UnreadableAnswer):
            read_object(text)
    assert time.process_time() - begin < 2.0  # quadratic time would be minutes


def test_a_list_has_to_be_there() -> None:
    assert read_list({"materials": [1]}, "materials") == [1]
    wrong: list[dict[str, Any]] = [{}, {"materials": {}}, {"materials": None}, {"Materials": []}]
    for answer in wrong:
        with pytest.raises(UnreadableAnswer, match='no array "materials"'):
            read_list(answer, "materials")


@pytest.mark.parametrize(
    "entry",
    [
        {"object": 1, "material": "brick", "confidence": 0.5},
        {"object": "a", "material": None, "confidence": 0.5},
        {"object": "a", "material": "brick"},
        {"object": "a", "material": "brick", "confidence": "0.5"},
        {"object": "a", "material": "brick", "confidence": True},
        {"object": "a", "material": "brick", "confidence": 1.01},
        {"object": "a", "material": "brick", "confidence": -0.01},
        {"object": "a", "material": "brick", "confidence": 0.5, "c": "0.02"},
    ],
)
def test_entries_are_of_one_shape(entry: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        MaterialEntry.model_validate(entry)
    assert shape_problem(caught.value)


def test_reasons_do_not_quote_what_was_sent() -> None:
    with pytest.raises(ValidationError) as caught:
        MaterialEntry.model_validate({"object": "a", "material": ["SECRET"], "confidence": 9})
    text = shape_problem(caught.value)
    assert "material" in text
    assert "confidence" in text
    assert "SECRET" not in text


def test_foreign_text_is_shown_on_one_line_and_cut() -> None:
    assert printable("a\nb\t c\x1b[31m\u202e") == "a b c\\x1b[31m\\u202e"
    assert printable("x" * 1000, 10) == "x" * 10 + "…"
    assert printable("\ud800") == "\\ud800"
