"""The command as a user meets it; subprocesses where standard output or signals matter."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import vlmrt_dist
from tests import ROOT
from tests.caches import fresh_cache
from tests.commands import COMMAND, children_seconds, invoke
from vlmrt_dist.campaign.files.read_write import read_campaign, write_campaign
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.cli import estimate
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.scene.files.scene_xml import load_scene
from vlmrt_dist.scene.paper_room import box_room

FAST = ["--max-depth", "2", "--samples-per-src", "20000"]
OBJECT_KEYS = {"name", "material", "conductivity", "low", "high", "prior", "verdict"}


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMRT_CACHE_DIR", str(fresh_cache(tmp_path_factory.mktemp("cache"))))
        yield


def start(*arguments: object, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def run(*arguments: object) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def levels(path: Path, **cells: str) -> Path:
    """A small measurement file for the paper's room, with some cells of its last line replaced."""
    campaign = random_campaign(box_room(), 1, 6, seed=3)
    write_campaign(campaign.with_rss(np.linspace(-40.0, -30.0, 6)[None]), path)
    rows = list(csv.reader(path.read_text().splitlines()))
    for name, text in cells.items():
        rows[-1][rows[0].index(name)] = text
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def test_help_is_fast_and_states_units() -> None:
    begin = children_seconds()
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert children_seconds() - begin < 5.0  # about 1 s on an idle core
    units = {"estimate": ("[Hz]", "[dBm]", "[S/m]"), "simulate": ("[m]", "[dB]"), "plan": ("[m]",),
             "advise": ("[Hz]", "[s]"), "convert": ("[m]", "[dBm]", "[°]"),
             "export-scene": ("[m]",), "render": ("[pixels]",), "doctor": (), "report": (),
             "sweep": ()}  # fmt: skip
    for command, words in units.items():
        assert command in out
        done = invoke(command, "--help")
        assert done.exit_code == 0
        assert "Usage:" in done.stdout
        assert all(word in done.stdout for word in words), command


def test_a_slip_in_a_command_is_named() -> None:
    told = invoke("estimat")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "Did you mean estimate?" in told.stderr
    told = invoke("estimate", "--measurements", "rss.csv", "--max-dept", "3")
    assert told.exit_code == 2
    assert "Did you mean --max-depth?" in told.stderr


def test_the_first_try_of_the_help_has_a_truth_of_its_own() -> None:
    *_, first = invoke("--help").stdout.partition("A first try: ")
    assert "--perturb-seed 1 --noise-db 0.1" in " ".join(first.split())


def test_help_wakes_no_engine() -> None:
    code = (
        "import sys, vlmrt_dist.cli; print([m for m in ('ray', 'mitsuba', 'drjit', 'sionna', "
        "'pyarrow', 'trimesh', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_help_tells_what_each_command_is_for() -> None:
    from vlmrt_dist.cli.app import COMMANDS, TASKS

    text = invoke("--help").stdout
    places = [text.index(f" {task} ") for task in TASKS]
    assert places == sorted(places)
    for (task, commands), begin, end in zip(TASKS.items(), places, [*places[1:], -1], strict=True):
        for command in commands:
            assert re.search(rf"^│ {command} ", text[begin:end], re.M), (task, command)
    assert len(COMMANDS) == sum(map(len, TASKS.values()))


def test_version() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.output == f"vlmrt {vlmrt_dist.__version__}\n"


def test_doctor_passes_the_exit_code_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke("doctor").exit_code == 0
    monkeypatch.setenv("VLMRT_VARIANT", "no such machine")
    assert invoke("doctor").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--frequency", "1e15"], "tabulated"),
        (["--frequency", "0"], "hertz"),
        (["--frequency", "nan"], "hertz"),
        (["--noise-db", "nan"], "--noise-db"),
        (["--noise-db", "-1"], "--noise-db"),
        (["--prior-width", "0"], "--prior-width"),
        (["--prior-width", "nan"], "--prior-width"),
        (["--fixed", "box_glass"], "box_glass"),
        (["--gain-offset-db", "-1"], "--gain-offset-db"),
        (["--gain-offset-db", "nan"], "--gain-offset-db"),
        (["--position-error-m", "inf"], "--position-error-m"),
        (["--loss", "cubic"], "cubic"),
        (["--max-depth", "-1"], "--max-depth"),
        (["--samples-per-src", "0"], "--samples-per-src"),
        (["--tx-power-dbm", "inf"], "--tx-power-dbm"),
        (["--engine", "retrace"], "engine"),
        (["--engine", "magic"], "magic"),
        (["--num-actors", "-1"], "num-actors"),
        (["--max-iterations", "0"], "max-iterations"),
        (["--headroom", "inf"], "--headroom"),
        (["--scene", "nowhere.xml"], "nowhere.xml"),
        (["--scene", "narnia"], "munich"),
        (["--scene", "box_room_9999"], "2000"),
        (["--measurements", "nowhere.csv"], "nowhere.csv"),
    ],
)
@pytest.mark.parametrize("json_too", [False, True])
def test_wrong_options(tmp_path: Path, arguments: list[str], word: str, json_too: bool) -> None:
    file = levels(tmp_path / "rss.csv")
    extra = ["--json"] if json_too else []
    result = invoke("estimate", "--measurements", file, *arguments, *extra)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert word in result.stderr
    assert "rror: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"rss_dbm": "0"}, ["line 7", "0 dBm"]),
        ({"rx_x": "nan"}, ["line 7", "rx_x"]),
        ({"rx_x": "three"}, ["line 7", "rx_x"]),
        ({"rx_x": "3", "rx_y": "-3", "rx_z": "0.5"}, ["receiver 6", "box_concrete"]),
        ({"rx_x": "33"}, ["receiver 6", "outside the room"]),
        ({"tx_x": "1"}, ["line 7", "transmitter"]),
    ],
)
def test_wrong_measurements(tmp_path: Path, cells: dict[str, str], words: list[str]) -> None:
    result = invoke("estimate", "--measurements", levels(tmp_path / "rss.csv", **cells), "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert all(word in result.stderr for word in words), result.stderr


FINE = """setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm
1,0.5,0.5,1,2,0,1,-31.5
1,0.5,0.5,1,-2,0,1,-42.25
1,0.5,0.5,1,0,2,1,-38.5
2,1,1,2,0,-2,1,-36.75
2,1,1,2,2,-2,1,-40.5
"""


def columns_swapped(text: str) -> str:
    return text.replace("tx_", "?").replace("rx_", "tx_").replace("?", "rx_")


def scaled(factor: float) -> str:
    head, *rows = FINE.splitlines()
    cells = [row.split(",") for row in rows]
    rows = [",".join([c[0], *(f"{factor * float(x):g}" for x in c[1:7]), c[7]]) for c in cells]
    return "\n".join([head, *rows])


def with_powers(unit: float) -> str:
    head, *rows = FINE.splitlines()
    powers = [10.0 ** (float(row.rsplit(",", 1)[1]) / 10.0) / unit for row in rows]
    return "\n".join(
        [head, *(f"{r.rsplit(',', 1)[0]},{p:.3g}" for r, p in zip(rows, powers, strict=True))]
    )


def test_the_file_that_the_next_ones_spoil_is_fine(tmp_path: Path) -> None:
    (tmp_path / "rss.csv").write_text(FINE)
    assert read_campaign(tmp_path / "rss.csv", scene=box_room()).num_links == 5


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (FINE.replace(",rx_z", "").replace(",1,-", ",-"), 0, ["no rx_z", "--rx-height METRES"]),
        (FINE.replace("-38.5", "loud"), 4, ["rss_dbm 'loud' is not a number"]),
        (FINE.replace("0,2,1,-38.5", "0,two,1,-38.5"), 4, ["rx_y 'two' is not a number"]),
        (FINE.replace("-38.5", "-38.5 V"), 4, ["units that may follow one: dBm"]),
        (FINE.replace("2,0,1,-31.5", "3,-3,0.5,-31.5"), 2, ["receiver 1", "box_concrete"]),
        (FINE.replace("2,-2,1,", "2,-2,7,"), 6, ["outside the room", "(-5, -5, 0)"]),
        (with_powers(1e3), 2, ["watts", "7.08e-07 W are -31.50 dBm"]),
        (with_powers(1.0), 2, ["milliwatts", "0.000708 mW are -31.50 dBm"]),
        (FINE.replace(",-3", ",3").replace(",-4", ",4"), 2, ["without its sign (-31.5)"]),
        (FINE.replace("-38.5", "38.5"), 4, ["was its sign lost (-38.5)?"]),
        (scaled(1000.0), 2, ["millimetres", "divide them by 1000"]),
        (scaled(100.0), 2, ["centimetres", "divide them by 100"]),
        (FINE.replace("-38.5", "-38,5"), 4, ["separate the columns by semicolons"]),
        (FINE.split("\n", 1)[1], 1, ["header is missing", "setup,tx_x"]),
        (columns_swapped(FINE), 2, ["transmitter and receiver are exchanged"]),
        (FINE.replace("2,1,1,2,2", "2,1,1,3,2"), 6, ["elsewhere than in line 5"]),
        (FINE.replace("dbm\n", "dbm,frequency\n").replace("5\n", "5,200\n"), 2, ["one unit"]),
        (FINE.replace("dbm\n", "dbm,censored\n").replace("5\n", "5,?\n"), 2, ["1 (true)"]),
        (FINE.replace("-38.5", "<"), 4, ["without the receiver's floor"]),
    ],
)
def test_files_as_people_make_them(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    path = tmp_path / "rss.csv"
    path.write_text(text)
    result = invoke("estimate", "--measurements", path)
    assert (result.exit_code, result.stdout) == (2, "")
    first = result.stderr.splitlines()[1]
    assert first.startswith(f"  line {line}: " if line else "  "), result.stderr
    assert all(word in result.stderr for word in words), result.stderr


def test_empty_and_planned_campaigns(tmp_path: Path) -> None:
    file = levels(tmp_path / "rss.csv")
    header = file.read_text().splitlines()[0]
    (tmp_path / "header.csv").write_text(header + "\n")
    (tmp_path / "nothing.csv").write_text("")
    write_campaign(random_campaign(box_room(), 1, 2, seed=0), tmp_path / "plan.csv")
    for name, word in (("header", "empty"), ("nothing", "empty"), ("plan", "or simulate it")):
        result = invoke("estimate", "--measurements", tmp_path / f"{name}.csv")
        assert (result.exit_code, result.stdout) == (2, "")
        assert word in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('<shape type="ply"', '<shape type="evil"', "evil"),
        ('value="meshes/0.ply"', 'value="../0.ply"', "../0.ply"),
        ('name="type" value="brick"', 'name="type" value="unobtainium"', "unobtainium"),
        ("  <shape", '  <include filename="/etc/passwd"/>\n  <shape', "/etc/passwd"),
        (
            '<bsdf type="itu-radio-material" id="mat-itu_wood">',
            '<bsdf type="itu-radio-material" id="mat-itu_wood">'
            '<float name="thickness" value="-1"/>',
            "thickness",
        ),
    ],
)
def test_wrong_scenes(tmp_path: Path, old: str, new: str, word: str) -> None:
    scene = box_room().write(tmp_path / "room")
    text = scene.read_text()
    assert old in text
    scene.write_text(text.replace(old, new, 1))
    file = levels(tmp_path / "rss.csv")
    for command in (
        ["estimate", "--measurements", file, "--json"],
        ["simulate", "--out", tmp_path / "out.csv"],
        ["plan", "--out", tmp_path / "out.csv"],
    ):
        result = invoke(*command, "--scene", scene)
        assert (result.exit_code, result.stdout) == (2, "")
        assert word in result.stderr
    assert invoke("export-scene", scene, "--out", tmp_path / "copy").exit_code == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["room", "rss.csv"]


@pytest.mark.slow
def test_a_class_for_a_material_of_ones_own(tmp_path: Path) -> None:
    scene = box_room().write(tmp_path / "room")
    scene.write_text(
        scene.read_text().replace('name="type" value="brick"', 'name="type" value="adobe"')
    )
    command = ["plan", "--scene", scene, "--placement", "random", "--setups", "1"]
    command += ["--receivers", "2", "--max-depth", "1", "--samples-per-src", "1000", "--out"]
    result = invoke(*command, tmp_path / "a.csv")
    assert result.exit_code == 2
    assert "--material adobe=CLASS" in result.stderr
    adobe = ["--material", "adobe=brick"]
    result = invoke(*command, tmp_path / "a.csv", *adobe)
    assert result.exit_code == 0, result.stderr
    for wrong, word in (("adobe", "NAME=CLASS"), ("mud=brick", "'mud'"), ("adobe=mud", "'mud'")):
        result = invoke(*command, tmp_path / "b.csv", *adobe, "--material", wrong)
        assert result.exit_code == 2
        assert word in result.stderr


def test_targets_are_checked_before_the_work(tmp_path: Path) -> None:
    for out in (tmp_path / "rss.txt", tmp_path / "no" / "rss.csv", tmp_path):
        for command in ("simulate", "plan"):
            result = invoke(command, "--out", out)
            assert result.exit_code == 2
            assert "cannot write" in result.stderr
    out = tmp_path / "rss.csv"
    assert invoke("simulate", "--out", out, "--truth-out", out).exit_code == 2
    assert invoke("simulate", "--out", out, "--setups", "0").exit_code == 2
    assert invoke("simulate", "--out", out, "--noise-db", "inf").exit_code == 2
    for flaw in ("--quantisation-db", "--outlier-share", "--gain-offset-db", "--position-error-m"):
        assert invoke("simulate", "--out", out, flaw, "-1").exit_code == 2
        assert invoke("simulate", "--out", out, flaw, "nan").exit_code == 2
    measured = levels(tmp_path / "measured.csv")
    for option, name in (("--out", "r.xlsx"), ("--links", "no/l.csv"), ("--figure", "f.svg")):
        result = invoke("estimate", "--measurements", measured, option, tmp_path / name)
        assert result.exit_code == 2
        assert "cannot write" in result.stderr
    measured.unlink()
    assert list(tmp_path.iterdir()) == []


def test_exported_scenes_come_back(tmp_path: Path) -> None:
    result = invoke("export-scene", "box_room", "--boxes", "6", "--out", tmp_path / "room")
    assert result.exit_code == 0, result.stderr
    assert "11 objects" in result.stdout
    assert load_scene(tmp_path / "room" / "scene.xml").key == box_room(6).key
    again = invoke("export-scene", "box_room", "--out", tmp_path / "room")
    assert again.exit_code == 2  # it may have been edited
    assert "not empty" in again.stderr
    replace = invoke("export-scene", "box_room", "--out", tmp_path / "room", "--overwrite")
    assert replace.exit_code == 0
    assert load_scene(tmp_path / "room" / "scene.xml").key == box_room().key
    assert invoke("export-scene", "munich", "--boxes", "6", "--out", tmp_path / "m").exit_code == 2


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(estimate, "estimate", broken)
    with pytest.raises(ZeroDivisionError):
        invoke("estimate", "--measurements", levels(tmp_path / "rss.csv"))


def test_what_libraries_print_stays_off_standard_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def talkative(*_: object, **__: object) -> None:
        print("from Python")
        os.write(1, b"from C\n")
        raise NumericalError("enough")

    monkeypatch.setattr(estimate, "estimate", talkative)
    result = invoke("estimate", "--measurements", levels(tmp_path / "rss.csv"))
    assert (result.exit_code, result.stdout) == (2, "")
    os.write(1, b"afterwards\n")
    captured = capfd.readouterr()
    assert captured.out == "afterwards\n"
    assert "from C" in captured.err


def test_an_interrupt_inside_a_loop_of_dr_jit_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise RuntimeError("dr.while_loop()") from KeyboardInterrupt()

    monkeypatch.setattr(estimate, "estimate", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        result = invoke("estimate", "--measurements", levels(tmp_path / "rss.csv"))
        assert (result.exit_code, result.stdout) == (130, "")
        assert result.stderr.splitlines()[-1] == "interrupted"
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # pressed again, it does nothing
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_from_simulation_to_json(tmp_path: Path) -> None:
    rss, truth, room = tmp_path / "rss.csv", tmp_path / "truth.csv", tmp_path / "room"
    assert run("export-scene", "box_room", "--out", room)[0] == 0
    scene = ["--scene", room / "scene.xml"]
    plan = tmp_path / "plan.csv"
    pool = ["--num-tx-candidates", "8", "--num-rx-candidates", "24", "--samples-per-src", "20000"]
    code, out, err = run("plan", *scene, *pool, "--max-depth", "2", "--out", plan)
    assert code == 0, err
    assert "24 links" in out
    noise = ["--noise-db", "0.02"]
    code, out, err = run(
        *("simulate", *scene, "--campaign", plan, *FAST, *noise, "--perturb-seed", "4"),
        *("--out", rss, "--truth-out", truth),
    )
    assert code == 0, err
    assert str(rss) in out
    assert read_campaign(rss).num_links == 24
    code, out, err = run("estimate", *scene, "--measurements", rss, *FAST, *noise, "--json")
    assert code == 0, err
    answer = json.loads(out)  # one object and nothing else
    assert answer["outcome"] == "converged"
    assert (answer["engine"], answer["protocol"]) == ("replay", "measured")
    assert isinstance(answer["seconds"], float)
    assert answer["seconds"] == pytest.approx(sum(answer["seconds_by_phase"].values()))
    true = {
        r["name"]: float(r["conductivity"]) for r in csv.DictReader(truth.read_text().splitlines())
    }
    assert [item["name"] for item in answer["objects"]] == list(true)
    known = [item for item in answer["objects"] if item["verdict"] == "estimated"]
    assert len(known) >= 5
    assert all(item.keys() >= OBJECT_KEYS for item in answer["objects"])
    inside = [item["low"] <= true[item["name"]] <= item["high"] for item in answer["objects"]]
    assert sum(inside) >= len(inside) - 1
    errors = [abs(item["conductivity"] / true[item["name"]] - 1.0) for item in known]
    assert np.median(errors) < 0.05

    adam = ["--optimizer", "adam", "--max-iterations", "3", "--fixed", "floor"]
    code, out, err = run("estimate", *scene, "--measurements", rss, *FAST, *noise, *adam, "--json")
    answer = json.loads(out)
    assert (code, answer["outcome"], answer["iterations"]) == (0, "max_iterations", 3)
    assert answer["objects"][0]["verdict"] == "fixed"

    code, out, err = run("estimate", *scene, "--measurements", rss, *FAST, *noise)
    assert (code, err) == (0, "")
    assert "box_marble" in out
    assert "S/m" in out


@pytest.mark.slow
def test_a_flawed_measurement_and_every_output(tmp_path: Path) -> None:
    rss = tmp_path / "rss.csv"
    code, out, err = run(
        *("simulate", *FAST, "--noise-db", "0.5", "--quantisation-db", "0.5", "--seed", "3"),
        *("--noise-floor-dbm", "-14.5", "--gain-offset-db", "0.1", "--out", rss),
    )
    assert code == 0, err
    assert " censored, written to" in out
    measured = read_campaign(rss)
    assert 0 < measured.censored.sum() < measured.num_links
    assert measured.rss_dbm is not None
    np.testing.assert_array_equal(measured.rss_dbm % 0.5, 0.0)
    result, links, figure = (tmp_path / name for name in ("r.parquet", "l.csv", "f.pdf"))
    code, _, err = run(
        *("estimate", "--measurements", rss, *FAST),
        *("--gain-offset-db", "1", "--position-error-m", "0.001", "--loss", "huber"),
        *("--out", result, "--links", links, "--figure", figure),
    )
    assert code == 0, err
    table = pq.read_table(result)
    assert table.column("name").to_pylist() == list(box_room().names)
    about = {key: json.loads(value) for key, value in table.schema.metadata.items()}
    assert about[b"campaign_key"] == measured.key
    assert about[b"loss"] == "huber"
    assert len(about[b"gains_db"]) == 3
    rows = list(csv.DictReader(links.read_text().splitlines()))
    assert len(rows) == measured.num_links
    assert [row["censored"] == "True" for row in rows] == measured.censored.ravel().tolist()
    assert figure.read_bytes()[:5] == b"%PDF-"


@pytest.mark.slow
@pytest.mark.ray
def test_json_stays_pure_with_actors(tmp_path: Path) -> None:
    rss = tmp_path / "rss.csv"
    assert run("simulate", *FAST, "--noise-db", "0.02", "--out", rss)[0] == 0
    common = ["estimate", "--measurements", rss, *FAST, "--json"]
    here, there = run(*common), run(*common, "--num-actors", "2")
    assert (here[0], there[0]) == (0, 0), here[2] + there[2]
    first, second = (json.loads(answer[1])["objects"] for answer in (here, there))
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_stopped_in_the_middle(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, number: int, code: int
) -> None:
    cache = fresh_cache(tmp_path_factory.mktemp("cold"))
    environment = {**os.environ, "VLMRT_CACHE_DIR": str(cache)}
    process = start(
        "simulate", "--setups", "200", "--max-depth", "7", "--out", tmp_path / "rss.csv",
        env=environment,
        # What a shell starts in the background inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 120
    while not list(cache.rglob("*.arrow")):  # the first setup has been traced
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    while process.poll() is None:  # a person presses Ctrl-C again if nothing happens
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert out == ""
    if number == signal.SIGINT:
        assert err.splitlines()[0] == "interrupted"
        assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_more_unknowns_and_a_profile_on_the_command_line(tmp_path: Path) -> None:
    file = levels(tmp_path / "rss.csv")
    result = invoke(
        "estimate", "--measurements", file, "--noise-db", 5, "--path-set", "single_solve",
        "--samples-per-src", 5000, "--max-depth", 1, "--unknown", "conductivity",
        "--unknown", "thickness", "--group-by", "material", "--gain-offset-db", "inf",
        "--loss", "huber", "--quantisation-db", 1, "--profile", "floor", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert set(answer["others"]) == {"thickness"}
    assert len(answer["gains_db"]) == 1
    assert answer["loss"] == "huber"
    assert answer["profiles"][0]["name"] == "floor"
    refused = invoke(
        "estimate", "--measurements", file, "--noise-db", 1, "--profile", "floor",
        "--optimizer", "adam",
    )  # fmt: skip
    assert refused.exit_code != 0
    assert "--profile goes with" in refused.output
