"""What cluster/ holds, by the tools' own validators, and for real where that needs no cloud."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests import ROOT

CLUSTER = ROOT / "cluster"
BIN = Path(sys.prefix) / "bin"
SCRIPTS = [CLUSTER / "setup.sh", CLUSTER / "start.sh", CLUSTER / "slurm" / "sweep.sbatch"]


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(CLUSTER.rglob("*")) if p.is_file() and p.suffix not in (".json", ".png")],
    ids=lambda p: str(p.relative_to(CLUSTER)),
)
def test_every_file_says_at_its_top_what_it_is_for_and_is_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    first = lines[1] if lines[0].startswith("#!") else lines[0]
    assert first.startswith("# ")
    assert len(lines) <= 130 or path.suffix == ".lock"  # which a program writes


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_shell_scripts_pass_shellcheck(path: Path) -> None:
    done = subprocess.run([BIN / "shellcheck", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert os.access(path, os.X_OK) == (path.suffix == ".sh")


def test_the_dockerfile_passes_the_linter_and_copies_what_the_set_up_needs() -> None:
    done = subprocess.run(
        [BIN / "hadolint", "--no-color", CLUSTER / "Dockerfile"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout == ""
    lines = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    needed = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "vlmrt_dist", "sweeps",
              "cluster"}  # fmt: skip
    assert rules[0] == "*"  # nothing is copied but what is named
    assert {rule[1:] for rule in rules if rule.startswith("!")} == needed
    assert all((ROOT / name).exists() for name in needed)


def test_the_image_installs_pinned_files_that_the_package_needs_and_no_more() -> None:
    """Same versions as everywhere else, a hash for each, no index, no tools of development."""
    locked = _requirements((CLUSTER / "image.lock").read_text())
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", line) for line in locked.values())
    assert not any("://" in line for line in locked.values())
    pinned = _requirements((ROOT / "constraints.txt").read_text())
    for name, line in locked.items():
        version = pinned[name].partition("==")[2]
        assert line.split()[0].partition("==")[2] == version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = _names([*project["dependencies"], *extras["ray"], *extras["vlm"], *extras["report"]])
    assert needed <= locked.keys()
    tools = _names(extras["dev"]) - needed - {"hatchling", "vlmrt-dist"}
    assert not {"pytest", "mypy", "ruff", "playwright"} & locked.keys()
    assert len(tools & locked.keys()) <= 3  # what the others need themselves


def _requirements(text: str) -> dict[str, str]:
    """Lines "name==version ..." by their names, each with its continuations."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return {
        re.split(r"[=;\s]", line, maxsplit=1)[0].lower().replace("_", "-"): line
        for line in lines if line and not line.startswith("#")
    }  # fmt: skip


def _names(requirements: list[str]) -> set[str]:
    found = {re.split(r"[\[<>=~! ;]", text, maxsplit=1)[0] for text in requirements}
    return {name.lower().replace("_", "-") for name in found}


@pytest.mark.parametrize("name", ["aws", "gcp", "on_premise"])
def test_ray_up_accepts_the_cluster(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    monkeypatch.setenv("HOME", str(tmp_path))
    [config] = documents(CLUSTER / "ray-up" / f"{name}.yaml")
    prepared = prepare_config(config)
    validate_config(prepared)
    assert prepared["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for role in ("head", "worker"):
        stop, start = prepared[f"{role}_start_ray_commands"]
        assert stop.endswith("/.venv/bin/ray stop")
        assert f"/cluster/start.sh {role}" in start
    assert len(prepared["available_node_types"]) == (1 if name == "on_premise" else 2)
    with pytest.raises(jsonschema.ValidationError):
        validate_config({**prepared, "max_worker": 2})


def kubernetes_errors(thing: dict[str, Any]) -> list[str]:
    [schemas] = documents(ROOT / "tests" / "data" / "kuberay.yaml")
    schema = {**schemas[thing["kind"]], "$defs": schemas["$defs"]}
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(thing)]


@pytest.mark.parametrize("name", ["raycluster", "rayjob"])
def test_kuberay_accepts_the_objects(name: str) -> None:
    things = documents(CLUSTER / "kuberay" / f"{name}.yaml")
    for thing in things:
        assert kubernetes_errors(thing) == []
    spec = things[-1]["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in pods):
        [container] = pod["containers"]
        env = {entry["name"]: entry for entry in container["env"]}
        assert env["RAY_AUTH_MODE"]["value"] == "token"
        assert env["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {
            "name": "vlmrt-ray", "key": "auth_token",
        }  # fmt: skip
        assert container["volumeMounts"] == [{"name": "results", "mountPath": "/results"}]
        assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "vlmrt-results"}
    gpu = cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]
    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == 1
    cluster["workerGroupSpecs"][0]["minReplica"] = 1
    assert kubernetes_errors(things[-1]) != []


def test_the_recipes_name_the_ray_that_is_pinned() -> None:
    from importlib.metadata import version

    for name in ("raycluster", "rayjob"):
        assert f'rayVersion: "{version("ray")}"' in (CLUSTER / f"kuberay/{name}.yaml").read_text()


KEYS = ("key.txt", "my_gemini_key.txt", "sweeps/openai.key", "server.pem", ".env", ".env.local",
        ".vlmrt-token-a1b2c3/token", "auth_token")  # fmt: skip


def plant_keys(folder: Path) -> None:
    for name in KEYS:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("planted")


def test_what_rsync_copies_to_a_cluster_of_ones_own_holds_no_key(tmp_path: Path) -> None:
    """With the rules of ray up's file; rsync itself where it is installed."""
    import pathspec

    plant_keys(tmp_path)
    [config] = documents(CLUSTER / "ray-up" / "on_premise.yaml")
    rules = pathspec.PathSpec.from_lines("gitignore", config["rsync_exclude"])
    assert all(rules.match_file(name) for name in KEYS)
    kept = ("sweeps/depth.py", "vlmrt_dist/vlm/providers/api_key.py", "README.md")
    assert not any(rules.match_file(name) for name in kept)


def test_what_a_job_uploads_is_small_and_complete(tmp_path: Path) -> None:
    import zipfile

    from ray._private.runtime_env.packaging import create_package
    from ray.runtime_env import RuntimeEnv

    [environment] = documents(CLUSTER / "runtime_env.yaml")
    assert RuntimeEnv(**environment)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    plant_keys(clone)
    excludes = [".git", ".venv", "venv", "__pycache__", *environment["excludes"]]
    create_package(str(clone), tmp_path / "upload.zip", include_gitignore=True, excludes=excludes)
    assert (tmp_path / "upload.zip").stat().st_size < 5_000_000
    names = zipfile.ZipFile(tmp_path / "upload.zip").namelist()
    assert {"sweeps/depth.py", "vlmrt_dist/__init__.py"} <= set(names)
    assert not any(name.startswith(("tests/", "notebooks/", ".git/", ".ci/")) for name in names)
    assert not set(KEYS) & set(names)
    assert "vlmrt_dist/vlm/providers/api_key.py" in names


# cluster/start.sh


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A repository's folder in which ``ray`` only tells how it was called."""
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "start.sh").write_bytes((CLUSTER / "start.sh").read_bytes())
    ray = tmp_path / ".venv" / "bin" / "ray"
    ray.parent.mkdir(parents=True)
    ray.write_text('#!/bin/sh\necho "$@"\nenv\n')
    ray.chmod(0o755)
    return tmp_path


def start(machine: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(machine), **extra}
    return subprocess.run(
        ["sh", "cluster/start.sh", *arguments],
        cwd=machine, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_head_is_closed_and_its_token_is_its_owners_alone(machine: Path) -> None:
    done = start(machine, "head", "--port=6400", GEMINI_API_KEY="planted", OPENAI_API_KEY="planted")
    token = machine / ".ray" / "auth_token"
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        "start --head --dashboard-host=127.0.0.1 --disable-usage-stats --port=6400"
    )
    assert "RAY_AUTH_MODE=token" in done.stdout
    assert f"RAY_AUTH_TOKEN_PATH={token}" in done.stdout
    assert "planted" not in done.stdout
    # Jobs find the environment's python, whether it is active or not.
    assert f"PATH={machine / '.venv' / 'bin'}:" in done.stdout
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
    made = token.read_text()
    assert len(made) == 64
    assert made not in done.stdout + done.stderr
    token.chmod(0o644)
    start(machine, "head")
    assert token.read_text() == made
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


def test_a_worker_needs_the_heads_token(machine: Path) -> None:
    done = start(machine, "worker", "head:6379")
    assert done.returncode == 1
    assert "auth_token is missing; copy the head's there" in done.stderr
    done = start(machine, "worker", "head:6379", "--num-gpus=1", RAY_AUTH_TOKEN="a" * 64)
    assert done.stdout.splitlines()[0] == (
        "start --address=head:6379 --disable-usage-stats --num-gpus=1"
    )
    assert not (machine / ".ray").exists()
    assert start(machine, "worker").returncode == start(machine).returncode == 1


# cluster/slurm/sweep.sbatch: Ray is real, only the nodes are not.

SRUN = """#!/usr/bin/env python3
import itertools, os, signal, subprocess, sys
options = list(itertools.takewhile(lambda a: a.startswith("--"), sys.argv[1:]))
command = sys.argv[1 + len(options):]
[tasks] = [int(o.partition("=")[2]) for o in options if o.startswith("--ntasks=")]
with open(os.environ["FAKE_LOG"], "a") as log:
    print(*sys.argv[1:], file=log)
if command[1] == "head":
    command += os.environ["FAKE_HEAD_OPTIONS"].split()
running = [subprocess.Popen(command) for _ in range(tasks)]
signal.signal(signal.SIGTERM, lambda *_: [p.terminate() for p in running])
sys.exit(max(abs(p.wait()) for p in running))
"""
SCONTROL = """#!/bin/sh
[ "$1 $2" = "show hostnames" ] || exit 1
echo "$3" | tr , '\\n'
"""
SWEEP = """
import sys, time
from tests import ROOT
from vlmrt_dist.distributed.session import connect
from vlmrt_dist.studies import Sweep, sweep
@sweep("counted")
def main(this: Sweep) -> None:
    connect()
    import ray
    print(len(ray.nodes()), "nodes", flush=True)
    if LONG:
        time.sleep(120)
    sys.exit(3)
main.script()
"""


class Slurm:
    """A batch job on fake nodes of this machine."""

    def __init__(self, folder: Path, nodes: str, sweep: str) -> None:
        self.folder = folder
        for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
            (folder / "bin").mkdir(exist_ok=True)
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        submit = folder / "submit"
        submit.mkdir()
        (submit / ".venv").symlink_to(sys.prefix)
        (submit / "cluster").symlink_to(CLUSTER)
        (submit / "sweep.py").write_text(sweep)
        self.temporary = Path(f"/tmp/vlmrt-{os.getpid()}")  # sockets' paths must be short
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "SLURM_SUBMIT_DIR": str(submit),
            "SLURM_JOB_NODELIST": nodes,
            "SLURM_JOB_ID": str(os.getpid()),
            "SLURM_CPUS_PER_TASK": "1",
            "FAKE_LOG": str(folder / "srun.log"),
            "FAKE_HEAD_OPTIONS": f"--include-dashboard=false --temp-dir={self.temporary}",
        }
        self.output = folder / "output.log"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                ["bash", CLUSTER / "slurm" / "sweep.sbatch", "sweep.py"],
                env=environment, cwd=folder, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + 120
        while text not in self.output.read_text():
            assert time.monotonic() < end, self.output.read_text()
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.2)

    def end(self) -> int:
        """The exit code, once nothing of it is left."""
        code = self.process.wait(timeout=120)
        left = [p for p in Path("/proc").glob("[0-9]*") if self._is_ours(p)]
        assert left == []
        assert not list(self.folder.glob("submit/.vlmrt-token*"))
        return code

    def _is_ours(self, process: Path) -> bool:
        try:
            return str(self.temporary).encode() in (process / "cmdline").read_bytes()
        except OSError:
            return False


@pytest.mark.ray
@pytest.mark.slow
def test_a_batch_job_has_its_nodes_and_ends_as_its_sweep_does(tmp_path: Path) -> None:
    job = Slurm(tmp_path, "localhost,other", SWEEP.replace("LONG", "False"))
    assert job.end() == 3, job.output.read_text()
    assert "2 nodes" in job.output.read_text()
    head, worker = (tmp_path / "srun.log").read_text().splitlines()
    assert "--nodelist=localhost cluster/start.sh head --port=" in head
    assert "--nodes=1 --ntasks=1 --overlap --exclude=localhost cluster/start.sh worker" in worker


@pytest.mark.ray
@pytest.mark.slow
def test_at_the_time_limit_the_sweep_is_told_and_everything_ends(tmp_path: Path) -> None:
    job = Slurm(tmp_path, "localhost", SWEEP.replace("LONG", "True"))
    job.wait_for("1 nodes")
    job.process.send_signal(signal.SIGTERM)  # what --signal=B:TERM@120 sends to the script
    assert job.end() == 143
    assert "the time is up" in job.output.read_text()
    assert "what is finished is kept" in job.output.read_text()


def test_a_batch_job_without_a_sweep_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", CLUSTER / "slurm" / "sweep.sbatch"],
        env={**os.environ, "SLURM_SUBMIT_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "name the sweep" in done.stderr
