import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from vlmrt_dist.distributed.session import SHORTEST_DEADLINE, ActorOptions
from vlmrt_dist.errors import (
    ConfigurationError,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_actors": 0},
        {"num_actors": 1.5},
        {"num_gpus": 1.5},
        {"num_gpus": -1},
        {"num_cpus": 0},
        {"threads": 0},
        {"deadline": float("nan")},
        {"attempts": 0},
        {"placement": "SOMEWHERE"},
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        ActorOptions(**wrong)


def test_without_a_stated_deadline_earlier_calls_tell_when_one_is_late() -> None:
    options = ActorOptions()
    assert options.longest([], usually=300.0) == 300.0
    assert options.longest([0.1, 0.2], usually=300.0) == SHORTEST_DEADLINE
    assert options.longest([10.0, 50.0, 90.0], usually=300.0) == 500.0
    stated = ActorOptions(deadline=40.0)
    assert stated.longest([], usually=300.0) == stated.longest([50.0], usually=300.0) == 40.0


def test_threads_of_an_actor_are_those_of_its_cores() -> None:
    assert ActorOptions(num_cpus=0.5).threads_per_actor == 1
    assert ActorOptions(num_cpus=4).threads_per_actor == 4
    assert ActorOptions(num_cpus=4, threads=2).threads_per_actor == 2


@pytest.mark.ray
def test_a_private_ray_keeps_keys_and_tokens_to_itself(tmp_path: Path) -> None:
    code = """
import os
from vlmrt_dist.distributed.session import connect
assert connect() is True
assert connect() is False
import ray
print(ray.get(ray.remote(lambda: os.environ.get("GEMINI_API_KEY")).remote()))
print(os.environ["GEMINI_API_KEY"], os.environ["RAY_AUTH_MODE"])
ray.shutdown()
"""
    names = ("RAY_AUTH_MODE", "RAY_ADDRESS")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={k: v for k, v in os.environ.items() if k not in names}
        | {"HOME": str(tmp_path), "GEMINI_API_KEY": "for the driver"},
    )
    assert done.stdout.splitlines() == ["None", "for the driver token"], done.stderr
    assert not (tmp_path / ".ray").exists()


def test_an_address_where_nothing_answers() -> None:
    code = "from vlmrt_dist.distributed.session import connect; connect('127.0.0.1:1')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ActorFailure: no Ray cluster could be joined at '127.0.0.1:1'" in done.stderr


CONNECT = """
import sys
from vlmrt_dist.distributed.session import connect
from vlmrt_dist.errors import ActorFailure
try:
    connect()
except ActorFailure as error:
    sys.exit(f"error: {error}")
import ray
print(ray.get(ray.remote(lambda: 7).remote()))
ray.shutdown()
"""


def without_ray(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return kept | {"RAY_AUTH_MODE": "token", "PYTHONPATH": str(ROOT), **more}


@pytest.mark.ray
@pytest.mark.slow
def test_a_temporary_folder_with_a_long_name_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CONNECT], capture_output=True, text=True, timeout=120, check=False,
        env=without_ray(TMPDIR=str(folder)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


@pytest.mark.ray
@pytest.mark.slow
def test_a_full_temporary_folder_is_named(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root may mount something, in a name space of its own")
    folder = Path(f"/tmp/full-{os.getpid()}")
    folder.mkdir()
    try:
        done = subprocess.run(
            ["unshare", "-m", "bash", "-c", 'mount -t tmpfs -o size=16k tmpfs "$0" && "$@"', folder,
             sys.executable, "-c", CONNECT],
            capture_output=True, text=True, timeout=300, check=False,
            env=without_ray(TMPDIR=str(folder)),
        )  # fmt: skip
    finally:
        folder.rmdir()
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("error: Ray could not be started on this machine: ")
    assert f"It needs room in {folder} (0 MB free; another folder: RAY_TMPDIR)" in said
    assert "Traceback" not in done.stderr
