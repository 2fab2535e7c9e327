"""``vlmrt plan``: what is refused, and what a plan says."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.caches import fresh_cache
from tests.commands import Done, invoke
from vlmrt_dist.campaign.files.read_write import read_campaign, write_campaign
from vlmrt_dist.campaign.free_space import check_campaign, random_campaign
from vlmrt_dist.scene.paper_room import box_room

CHEAP = [
    *("--max-depth", "1", "--samples-per-src", "20000"),
    *("--num-tx-candidates", "5", "--num-rx-candidates", "16"),
]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMRT_CACHE_DIR", str(fresh_cache(tmp_path_factory.mktemp("cache"))))
        yield


def plan(*arguments: object) -> Done:
    return invoke("plan", *arguments)


def measured(path: Path, **cells: str) -> Path:
    """One setup of six receivers with levels; some cells of the last line replaced."""
    campaign = random_campaign(box_room(), 1, 6, seed=3)
    write_campaign(campaign.with_rss(np.linspace(-40.0, -30.0, 6)[None]), path)
    rows = list(csv.reader(path.read_text().splitlines()))
    for name, text in cells.items():
        rows[-1][rows[0].index(name)] = text
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--target"], "argument"),
        (["--target", "little"], "10%"),
        (["--target", "0%"], "10%"),
        (["--target", "-0.1"], "10%"),
        (["--target", "nan%"], "10%"),
        (["--target", "10%", "--placement", "random"], "d_optimal or a_optimal"),
        (["--target", "10%", "--after", "FILE"], "leave --target"),
        (["--start", "FILE"], "vlm_then_refine"),
        (["--refine", "--placement", "grid"], "--refine goes with"),
        (["--refine", "--target", "10%"], "leave --target"),
        (["--height", "1.5"], "argument"),
        (["--height", "2", "1"], "--height must be"),
        (["--height", "-1", "2"], "--height must be"),
        (["--height", "nan", "2"], "--height must be"),
        (["--region", "0 0 1"], "odd count of numbers"),
        (["--region", "-1 -1 1 1 1 -1 -1 1"], "Self-intersection"),
        (["--region", "90 90 91 90 91 91"], "beside the scene"),
        (["--region", "nowhere.csv"], "nowhere.csv"),
        (["--tx-height", "3", "1"], "--tx-height must be"),
        (["--fixed", "lamp"], "lamp"),
        (["--noise-db", "0"], "--noise-db"),
        (["--prior-width", "inf"], "--prior-width"),
        (["--figure", "positions.pdf"], ".png"),
        (["--num-tx-candidates", "2"], "pool of 2 transmitters"),
    ],
)
def test_wrong_options_are_refused_by_name(tmp_path: Path, options: list[str], word: str) -> None:
    file = measured(tmp_path / "rss.csv")
    given = [str(file) if text == "FILE" else text for text in options]
    result = plan("--out", tmp_path / "plan.csv", *given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert word in result.stderr
    assert not (tmp_path / "plan.csv").exists()


@pytest.mark.parametrize(
    "options", [["--after"], ["--placement", "vlm_then_refine", "--start"]], ids=["after", "start"]
)
def test_files_are_checked_with_their_lines(tmp_path: Path, options: list[str]) -> None:
    outside = measured(tmp_path / "outside.csv", rx_x="99")
    rubbish = tmp_path / "rubbish.csv"
    rubbish.write_bytes(b"\x00\xff not a table")
    for file, word in (
        (outside, "line 7"),
        (rubbish, "rubbish.csv"),
        (tmp_path / "none.csv", "none.csv"),
        (tmp_path, "must end in .csv"),
    ):
        result = plan("--out", tmp_path / "plan.csv", *options, file)
        assert (result.exit_code, result.stdout) == (2, "")
        assert word in result.stderr
    assert not (tmp_path / "plan.csv").exists()


def test_a_start_has_to_have_the_size_that_is_planned(tmp_path: Path) -> None:
    file = tmp_path / "start.csv"
    write_campaign(random_campaign(box_room(), 2, 3, seed=0), file)
    start = ["--placement", "vlm_then_refine", "--start", file]
    result = plan("--out", tmp_path / "plan.csv", *start, "--setups", "3", "--receivers", "3")
    assert result.exit_code == 2
    assert "2 setups of up to 3 receivers" in result.stderr


def test_what_is_to_be_planned_after_needs_levels(tmp_path: Path) -> None:
    file = tmp_path / "planned.csv"
    write_campaign(random_campaign(box_room(), 1, 2, seed=0), file)
    result = plan("--out", tmp_path / "plan.csv", "--after", file)
    assert result.exit_code == 2
    assert "measure or simulate it" in result.stderr


@pytest.mark.slow
def test_a_target_is_reached_with_fewer_links_than_a_harder_one(tmp_path: Path) -> None:
    out = tmp_path / "plan.csv"
    sizes = []
    for target in ("45%", "25%"):
        result = plan(
            *("--setups", "2", "--target", target, "--which", "median", "--json"),
            *("--noise-db", "0.01", "--overwrite"),
            *("--height", "1", "2", "--fixed", "floor", "--out", out, *CHEAP),
        )
        assert result.exit_code == 0, result.stderr
        answer = json.loads(result.stdout)
        planned = read_campaign(out)
        check_campaign(box_room(), planned)
        assert ((planned.rx[planned.present][:, 2] >= 1) & (planned.tx[0, 2] <= 2)).all()
        assert answer["num_links"] == planned.num_links
        sizes.append(planned.num_links)
        floor, *others = answer["objects"]
        assert (floor["name"], floor["verdict"], floor["predicted_std"]) == ("floor", "fixed", 0.0)
        assert all(item["predicted_std"] <= item["prior_std"] == 0.5 for item in others)
        assert any("bring the median object to" in line for line in answer["remarks"])
    assert sizes[0] < sizes[1]


@pytest.mark.slow
def test_the_setup_after_a_measurement_and_its_table(tmp_path: Path) -> None:
    first, rss, out = tmp_path / "first.csv", tmp_path / "rss.csv", tmp_path / "next.csv"
    result = plan("--setups", "1", "--receivers", "4", "--out", first, *CHEAP)
    assert result.exit_code == 0, result.stderr
    assert "expected verdict" in result.stdout
    assert f"4 links of 1 setup written to {first}" in result.stdout
    levels = ["simulate", "--campaign", first, "--noise-db", "0.1", "--out", rss, *CHEAP[:4]]
    assert invoke(*levels).exit_code == 0
    figure = tmp_path / "next.png"
    after = ["--after", rss, "--receivers", "3", "--out", out, *CHEAP]
    result = plan(*after, "--json", "--figure", figure)
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert len(answer["objects"]) == 9
    assert all(0 < item["std_after"] <= item["std_now"] + 1e-12 for item in answer["objects"])
    assert sum(item["std_after"] < 0.9 * item["std_now"] for item in answer["objects"]) >= 1
    planned = read_campaign(out)
    assert (planned.num_setups, planned.num_receivers, planned.rss_dbm) == (1, 3, None)
    assert figure.stat().st_size > 0
    result = plan(*after)
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    result = plan(*after, "--overwrite")
    assert result.exit_code == 0, result.stderr
    assert "box_marble" in result.stdout
    assert read_campaign(out).key == planned.key


@pytest.mark.slow
def test_a_refined_plan_leaves_less_uncertainty(tmp_path: Path) -> None:
    small = ["--num-tx-candidates", "4", "--num-rx-candidates", "12", "--max-depth", "2"]
    small += ["--setups", "2", "--receivers", "3", "--placement", "d_optimal", "--json"]
    found = []
    for more in ([], ["--refine"]):
        result = plan("--out", tmp_path / "plan.csv", "--overwrite", *small, *more)
        assert result.exit_code == 0, result.stderr
        found.append(json.loads(result.stdout)["mean_predicted_std"])
    assert found[1] < found[0]
