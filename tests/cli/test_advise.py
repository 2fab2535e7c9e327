"""``vlmrt advise`` as a user meets it; models are a server on the loopback."""

import base64
import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests import ROOT
from tests.commands import COMMAND, Done, invoke
from tests.model_server import Asked, ModelServer, Step, model_server
from vlmrt_dist import rendering
from vlmrt_dist.campaign.files.read_write import read_campaign
from vlmrt_dist.campaign.free_space import check_campaign
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.providers import api_key as keys

SECRET = "AIza-planted-secret-0003"
ROOM = box_room()


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(keys, "_taken", {})
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    for name in ("GOOGLE_API_KEY", "OPENAI_API_KEY", "VLMRT_GEMINI_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "room.png"
    Image.new("RGB", (64, 48), (200, 100, 50)).save(path)
    return path


def advise(*arguments: object) -> Done:
    return invoke("advise", *arguments)


def start(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "advise",
         *map(str, arguments)],
        cwd=home,
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "GEMINI_API_KEY": SECRET},
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip


def seer(asked: Asked) -> str:
    """A model that sees plywood, and places two setups of two receivers."""
    if '"setups"' in asked.text:
        middle = [{"x": -1.5 + m + n, "y": 0.5 * m, "z": 1.5, "reason": f"sight {m}{n}"}
                  for m in range(2) for n in range(3)]  # fmt: skip
        return json.dumps({"setups": [{"tx": middle[3 * m], "rx": middle[3 * m + 1 : 3 * m + 3]}
                                      for m in range(2)]})  # fmt: skip
    return json.dumps(
        {"materials": [{"object": n, "material": "plywood", "c": 0.33, "d": 0.0,
                        "confidence": 0.5, "source": "veneer"} for n in ROOM.names]}
    )  # fmt: skip


def gemini(server: ModelServer, *more: object) -> list[object]:
    return ["--vlm", "gemini", "--base-url", server.url, "--backoff", "0.001", *more]


def test_offline_answers_without_key_or_network_and_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    out, figure = tmp_path / "planned.csv", tmp_path / "positions.png"
    result = advise("--setups", 2, "--receivers", 2, "--out", out, "--figure", figure)
    assert result.exit_code == 0, result.output
    assert "the offline advisor is no vision model" in result.stderr
    for name, material in zip(ROOM.names, ROOM.materials, strict=True):
        row = next(line for line in result.stdout.split("\n") if line.startswith(name + " "))
        value = itu.conductivity(material, 3.5e9)
        assert row.split()[1:3] == [material, f"{value:.4g}"]
    assert "setup 2, receiver 2" in result.stdout
    assert result.stdout.count("advisor: offline; pictures: none") == 2
    check_campaign(ROOM, read_campaign(out))
    with Image.open(figure) as picture:
        assert picture.size[0] > 500


def test_a_model_is_shown_the_photograph_and_its_answer_is_printed(
    server: ModelServer, photo: Path
) -> None:
    server.answers(seer)
    result = advise(*gemini(server, "--image", photo, "--setups", 2, "--receivers", 2))
    assert result.exit_code == 0, result.output
    assert server.count == 2
    parts = server.asked[0].body["contents"][0]["parts"]
    assert parts[1]["text"] == "Picture 1: a photograph of the scene"
    assert "inlineData" in parts[2]
    assert result.stdout.count("plywood") == 9
    assert "veneer" in result.stdout
    assert "sight 12" in result.stdout
    assert "advisor: gemini gemini-2.5-pro; prompt materials_v1; pictures: photograph" in (
        result.stdout
    )
    assert "1 request, 1000 tokens sent, 500 received" in result.stdout
    assert "spent about 0.0125 US dollars" in result.stderr  # 2 · (1000 · 1.25 + 500 · 10) / 1e6
    again = advise(*gemini(server, "--image", photo, "--setups", 2, "--receivers", 2))
    assert "from the cache" in again.stdout
    assert server.count == 2


def test_json_is_one_object(server: ModelServer, photo: Path) -> None:
    server.answers(seer)
    result = advise(*gemini(server, "--image", photo, "--setups", 2, "--receivers", 2, "--json"))
    answer = json.loads(result.stdout)
    assert [row["object"] for row in answer["materials"]] == list(ROOM.names)
    assert {row["conductivity"] for row in answer["materials"]} == {0.33}
    assert len(answer["setups"]) == 2
    assert answer["setups"][1]["rx"][1]["reason"] == "sight 12"
    assert answer["usage"]["positions"]["prompt"] == "positions_v1"


def test_without_setups_only_materials_are_asked_for(server: ModelServer, photo: Path) -> None:
    server.answers(seer)
    result = advise(*gemini(server, "--image", photo, "--setups", 0))
    assert result.exit_code == 0
    assert server.count == 1
    assert "position" not in result.stdout


def test_a_recording_is_replayed_without_key_network_or_pictures(
    server: ModelServer, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(seer)
    said = tmp_path / "said.json"
    counts = ["--setups", 2, "--receivers", 2, "--json"]
    first = advise(*gemini(server, "--image", photo, "--record", said, *counts))
    monkeypatch.setattr(keys, "_taken", {})
    again = advise("--vlm", "recorded", "--recording", said, *counts)
    assert again.exit_code == 0, again.output
    assert server.count == 2
    one, two = json.loads(first.stdout), json.loads(again.stdout)
    assert one["materials"] == two["materials"]
    assert one["setups"] == two["setups"]
    assert two["usage"]["materials"]["image_source"] == "photograph"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vlm", "oracle"], "oracle"),
        (["--vlm", "openai_compatible"], "needs a model and a base_url"),
        (["--vlm", "recorded"], "--recording"),
        (["--recording", "x.json"], "--vlm recorded"),
        (["--model", "m"], "no option --model"),
        (["--record", "x.txt"], ".json"),
        (["--figure", "x.csv"], ".png"),
        (["--out", "x.png"], ".csv"),
        (["--setups", 0, "--out", "x.csv"], "--setups 1"),
        (["--setups", -1], "--setups"),
        (["--receivers", 0], "--receivers"),
        (["--frequency", "nan"], "hertz"),
        (["--frequency", "9e11"], "tabulated|no values"),
        (["--scene", "nowhere.xml"], "nowhere.xml"),
        (
            ["--vlm", "gemini", "--base-url", "http://127.0.0.1:9", "--image", "none.png"],
            "none.png",
        ),
        (["--vlm", "gemini", "--model", "gemini-9"], "price"),
    ],
)
def test_slips_end_with_a_sentence(
    arguments: list[object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = advise(*arguments)
    assert result.exit_code == 2, result.output
    assert any(word in result.stderr for word in words.split("|")), result.stderr
    assert "Traceback" not in result.output


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    result = advise("--vlm", "gemini")
    assert result.exit_code == 2
    assert "GEMINI_API_KEY" in result.stderr
    assert "--vlm offline" in result.stderr


@pytest.mark.slow
def test_the_key_is_in_nothing_that_is_written_or_said(
    server: ModelServer, photo: Path, tmp_path: Path
) -> None:
    """A key is planted, everything that can be written is, and all of it is searched."""
    server.answers(seer)
    files = [tmp_path / name for name in ("said.json", "planned.csv", "positions.png")]
    outputs = dict(zip(("--record", "--out", "--figure"), files, strict=True))
    arguments = gemini(server, "--image", photo, "--setups", 2, "--receivers", 2)
    arguments += [text for pair in outputs.items() for text in pair]
    good = start(*arguments, "--json", home=tmp_path)
    assert good.returncode == 0, good.stderr
    assert server.asked[0].headers["x-goog-api-key"] == SECRET  # it was there to be lost

    echo = json.dumps({"error": {"message": f"the key {SECRET} is not valid"}}).encode()
    server.answers(Step(status=403, raw=echo))
    refused = start(*arguments, "--no-cache", "--overwrite", home=tmp_path)
    assert refused.returncode == 2
    assert "the key [key removed] is not valid" in refused.stderr

    for run in (good, refused):
        assert SECRET not in run.stdout + run.stderr
        assert "Traceback" not in run.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {*files} < {*written}
    assert sum(path.parent.name == "vlm" for path in written) == 2  # the cache
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_without_a_photograph_the_scene_is_rendered(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = functools.partial(rendering.render_scene, width=160, height=120, samples=4)
    monkeypatch.setattr(rendering, "render_scene", small)
    server.answers(seer)
    done = advise(*gemini(server, "--setups", 0))
    assert done.exit_code == 0, done.output
    assert "pictures: render" in done.stdout
    parts = server.asked[0].body["contents"][0]["parts"]
    captions = [part["text"] for part in parts if "text" in part][1:]
    assert ["from above" in captions[0], "in perspective" in captions[1]] == [True, True]
    for part in (parts[2], parts[4]):
        content = base64.urlsafe_b64decode(part["inlineData"]["data"])
        with Image.open(io.BytesIO(content)) as picture:
            assert (picture.format, picture.size) == ("PNG", (160, 120))
