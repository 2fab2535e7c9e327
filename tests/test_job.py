"""Sweeps as Ray jobs, on a head that cluster/start.sh has closed, from a clean clone.

What is submitted is the last commit, as somebody else would check it out.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import ROOT
from tests.caches import fresh_cache
from vlmrt_dist.distributed.access import asks_for_token
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.rows import Row

DEADLINE = 600.0
PLANTED = "planted-key-4f1c77"
QUICK = ("--quick", "--seeds", "1")
PORTS = {
    "port": 21_379, "dashboard-port": 21_265, "metrics-export-port": 21_080,
    "ray-client-server-port": 21_001, "dashboard-agent-listen-port": 21_002,
    "dashboard-agent-grpc-port": 21_003, "min-worker-port": 21_400, "max-worker-port": 21_900,
}  # fmt: skip


@dataclass
class Cluster:
    """A head, a clone to submit from, and the environment of who submits."""

    clone: Path
    session: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ray", "job", "submit", "--working-dir", ".",
             "--runtime-env", "cluster/runtime_env.yaml", "--", *arguments],
            cwd=self.clone, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def submit(self, *arguments: str) -> tuple[int, str]:
        """How a job ended, and its log."""
        with self.command(*arguments) as process:
            try:
                log, _ = process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
        return process.returncode, log


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("job")
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    home = folder / "home"
    home.mkdir()
    cache = fresh_cache(folder / "cache")
    session = Path(f"/tmp/vlmrt-job-{os.getpid()}")  # sockets' paths must be short
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("RAY_") and k != "PYTHONPATH"},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "DRJIT_CACHE_DIR": os.environ.get("DRJIT_CACHE_DIR", str(Path.home() / ".drjit")),
        "VLMRT_CACHE_DIR": str(cache),
        "GEMINI_API_KEY": PLANTED,
    }
    options = [f"--{name}={port}" for name, port in PORTS.items()]
    with (folder / "head.log").open("w") as log, subprocess.Popen(
        ["cluster/start.sh", "head", "--block", "--num-cpus=2", f"--temp-dir={session}", *options],
        cwd=clone, env=environment, stdout=log, stderr=log,
    ) as head:  # fmt: skip
        try:
            environment |= {
                "RAY_AUTH_MODE": "token",
                "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{PORTS['dashboard-port']}",
            }
            wait_for_head(folder / "head.log", environment["RAY_API_SERVER_ADDRESS"])
            yield Cluster(clone, session, environment)
        finally:
            head.terminate()
            head.wait(timeout=60)
            shutil.rmtree(session, ignore_errors=True)


def wait_for_head(log: Path, address: str) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{address}/api/gcs_healthz", timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)


def comparable(rows: list[Row]) -> list[str]:
    """All digits of all but the times."""
    return [repr(dataclasses.replace(row, seconds_trace=0.0, seconds_fit=0.0)) for row in rows]


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_from_a_clean_clone_has_the_rows_of_a_local_run(
    cluster: Cluster, tmp_path: Path
) -> None:
    code, log = cluster.submit(
        "python", "sweeps/depth.py", *QUICK, "--num-actors", "2", "--storage", str(tmp_path / "job")
    )
    assert code == 0, log
    for expected in ("depth: 4 of 4 points", "0.467", "Levenberg-Marquardt", "succeeded"):
        assert expected in log
    assert f"rows: {tmp_path / 'job' / 'rows' / 'study=depth_quick'}" in log
    assert "\x1b[2K" not in log  # no cursor is moved where there is none
    subprocess.run(
        [sys.executable, "sweeps/depth.py", *QUICK, "--storage", tmp_path / "here"],
        cwd=cluster.clone, check=True, capture_output=True,
        env=cluster.environment | {"PYTHONPATH": str(cluster.clone)},
    )  # fmt: skip
    there, here = (Ledger(tmp_path / where).rows("depth_quick") for where in ("job", "here"))
    assert len(there) == 4 * 2  # points, methods
    assert comparable(there) == comparable(here)


@pytest.mark.ray
@pytest.mark.slow
def test_as_an_executable_it_says_at_once_what_is_wrong(cluster: Cluster) -> None:
    code, log = cluster.submit("sweeps/depth.py", *QUICK, "--storage", "results")
    assert code == 1
    assert "name an absolute one, or a URL, with --storage" in log
    assert "Traceback" not in log


@pytest.mark.ray
@pytest.mark.slow
def test_more_than_the_cluster_has_is_refused_instead_of_waited_for(
    cluster: Cluster, tmp_path: Path
) -> None:
    code, log = cluster.submit(
        "python", "sweeps/depth.py", "--num-actors", "99", "--storage", str(tmp_path)
    )
    assert code == 1
    assert "actors need 1 CPU each, and there is room for 2" in log
    assert "Traceback" not in log


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_that_is_stopped_keeps_what_is_finished(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.command(
        "python", "sweeps/depth.py", "--seeds", "2", "--num-actors", "2", "--storage", str(tmp_path)
    ) as process:
        try:
            log, job = "", ""
            assert process.stdout is not None
            for line in process.stdout:
                log += line
                if line.startswith("Running entrypoint for job "):
                    job = line.split()[4].rstrip(":")
                if re.search(r"\b1 of \d+ points", line):
                    break
            assert job, log
            begun = time.monotonic()
            subprocess.run(
                ["ray", "job", "stop", job], env=cluster.environment, check=True,
                capture_output=True, timeout=60,
            )  # fmt: skip
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "stopped (SIGTERM); what is finished is kept" in log + rest
    assert time.monotonic() - begun < 30
    assert "was stopped" in rest
    assert len(Ledger(tmp_path).rows("depth")) == len(pq.read_table(tmp_path / "rows")) > 0
    assert not list((tmp_path / "rows" / "study=depth").glob(".*.tmp"))


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_sees_its_own_package_and_no_key(cluster: Cluster) -> None:
    code, log = cluster.submit(
        "python", "-c", "import os, vlmrt_dist as v; print(v.__file__, *os.environ)"
    )
    assert code == 0, log
    assert "/working_dir_files/" in log, log
    assert "GEMINI_API_KEY" not in log


@pytest.mark.ray
@pytest.mark.slow
def test_neither_key_nor_token_is_found_anywhere(cluster: Cluster, tmp_path: Path) -> None:
    """After all the jobs above: logs, rows, the jobs' list and the metrics are searched."""
    token = (Path(cluster.environment["HOME"]) / ".ray" / "auth_token").read_text()
    request = urllib.request.Request(
        cluster.environment["RAY_API_SERVER_ADDRESS"] + "/api/jobs/",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        jobs = answer.read()
    metrics = f"http://127.0.0.1:{PORTS['metrics-export-port']}/metrics"
    with urllib.request.urlopen(metrics, timeout=30) as answer:
        exported = answer.read()
    assert b"raysubmit_" in jobs
    assert b"ray_" in exported
    files = [p for p in cluster.session.rglob("*") if p.is_file() and not p.is_symlink()]
    files += tmp_path.parent.rglob("*.parquet")
    assert len(files) > 20
    for secret in (PLANTED.encode(), token.encode()):
        assert secret not in jobs + exported
        assert [p for p in files if secret in p.read_bytes()] == []


@pytest.mark.ray
@pytest.mark.slow
def test_without_the_token_nobody_is_let_in(cluster: Cluster) -> None:
    address = cluster.environment["RAY_API_SERVER_ADDRESS"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{address}/api/jobs/", timeout=30)
    assert asks_for_token(f"127.0.0.1:{PORTS['port']}")
    for host in {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None)} - {"127.0.0.1"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((str(host), PORTS["dashboard-port"]), timeout=5).close()
