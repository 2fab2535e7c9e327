import json
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import ModelServer
from tests.vlm.loopback import options_of
from vlmrt_dist.errors import VlmError
from vlmrt_dist.rendering.images import SceneImage
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.options import Recorded
from vlmrt_dist.vlm.providers.recorded import FORMAT, Recorder, read_recording
from vlmrt_dist.vlm.registry import advisor_named

FREQUENCY = 3.5e9
TABLE = itu.conductivity_table(FREQUENCY)
ROOM = box_room()
IMAGE = SceneImage(b"\x89PNG", "photograph", "room.png", 4, 3)


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def recorder(server: ModelServer, path: Path, **options: Any) -> Any:
    url = server.url + "/v1"
    return advisor_named(
        options_of("openai_compatible", model="seer", base_url=url, record=path, **options)
    )


def ask(advisor: Any, images: tuple[SceneImage, ...] = ()) -> Any:
    return advisor.propose_materials(images, ROOM, TABLE, frequency=FREQUENCY)


def answer(*materials: str) -> str:
    entries = [
        {"object": name, "material": material, "confidence": 0.5}
        for name, material in zip(ROOM.names, materials or ROOM.materials, strict=False)
    ]
    return json.dumps({"materials": entries})


def test_a_replay_gives_the_same_advice_with_its_repairs(
    server: ModelServer, tmp_path: Path
) -> None:
    path = tmp_path / "said.json"
    place = {"x": 0.0, "y": 0.0, "z": 1.5, "reason": "middle"}
    setups = json.dumps({"setups": [{"tx": place, "rx": [place]}]})
    server.answers("no JSON", answer("wood", "unobtainium"), setups, "{}")
    asked = recorder(server, path)
    materials = ask(asked, (IMAGE,))
    positions = asked.propose_positions((IMAGE,), ROOM, 1, 1, seed=7)
    assert server.count == 4
    assert path.stat().st_mode & 0o777 == 0o600

    replayed = advisor_named(Recorded(path))
    again = ask(replayed)  # without images
    assert again.prior.materials == materials.prior.materials
    assert again.prior.sources == materials.prior.sources
    assert again.usage.remarks == materials.usage.remarks
    assert (again.usage.provider, again.usage.model) == ("recorded", "seer")
    assert (again.usage.image_source, again.usage.attempts) == ("photograph", 0)
    repeated = replayed.propose_positions((), ROOM, 1, 1, seed=7)
    assert repeated.campaign.key == positions.campaign.key
    assert repeated.reasons == positions.reasons
    assert server.count == 4


def test_answers_from_the_cache_are_recorded_too(server: ModelServer, tmp_path: Path) -> None:
    server.answers(answer())
    ask(recorder(server, tmp_path / "one.json"))
    ask(recorder(server, tmp_path / "two.json"))
    assert server.count == 1
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()


def test_recordings_grow(server: ModelServer, tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    server.answers(answer())
    ask(recorder(server, path))
    recorder(server, path).propose_materials((), box_room(5), TABLE, frequency=FREQUENCY)
    ask(recorder(server, path))
    subjects = [recorded.subject for recorded in read_recording(path).values()]
    assert subjects[0] == "the materials of 9 objects of 9"
    assert len(subjects) == 3  # with the repair of the second, which names too few objects


def test_a_question_that_is_not_in_the_file_is_named(server: ModelServer, tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    server.answers(answer())
    ask(recorder(server, path))
    replayed = advisor_named(Recorded(path))
    with pytest.raises(VlmError, match=r"'materials_v1' about the materials of 10 objects"):
        replayed.propose_materials((), box_room(5), TABLE, frequency=FREQUENCY)
    with pytest.raises(VlmError, match="it holds materials_v1: the materials of 9 objects of 9"):
        replayed.propose_positions((), ROOM, 2, 3)
    with pytest.raises(VlmError, match="does not hold"):
        replayed.propose_materials((), ROOM, TABLE, frequency=2e9)
    with pytest.raises(VlmError, match="does not hold"):
        ask(advisor_named(Recorded(path, anonymous=True)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"[]", "not a JSON object"),
        (b"\xff", "no recording"),
        (b"{}", "no recording"),
        (b'{"format": "vlmrt recorded answers 1", "answers": [1]}', "no recording"),
        (b'{"format": "vlmrt recorded answers 1", "answers": [], "more": 1}', "no recording"),
        (b'{"format": "vlmrt recorded answers 99", "answers": []}', "another format"),
        (b'{"format": "x", "format": "y", "answers": []}', "twice"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "said.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VlmError, match=words):
        advisor_named(Recorded(path))
    if content is not None:  # nor is it written over
        with pytest.raises(VlmError, match=words):
            Recorder(path)
        assert path.read_bytes() == content


def test_a_recording_is_checked_as_an_answer_is(server: ModelServer, tmp_path: Path) -> None:
    """Somebody else's file is no more to be trusted than a server."""
    path = tmp_path / "said.json"
    server.answers(answer())
    ask(recorder(server, path))
    recording = json.loads(path.read_text())
    assert recording["format"] == FORMAT
    recording["answers"][0]["reply"]["text"] = answer("unobtainium")
    path.write_text(json.dumps(recording))
    with pytest.raises(VlmError, match=r"materials_v1\+repair_v1"):  # which nobody has recorded
        ask(advisor_named(Recorded(path)))
