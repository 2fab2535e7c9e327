"""The sweep as a Ray job: what `ray job submit --working-dir . -- python sweeps/depth.py` does."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DEADLINE = 300.0


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    import ray
    from ray.job_submission import JobSubmissionClient

    context = ray.init(
        address="local", num_cpus=2, include_dashboard=True, dashboard_port=18_265,
        log_to_driver=False,
    )  # fmt: skip
    try:
        yield JobSubmissionClient(f"http://{context.dashboard_url}")
    finally:
        ray.shutdown()


def finished(client: Any, *arguments: str) -> tuple[str, str]:
    """How a job with these arguments of the sweep ended, and its log."""
    entrypoint = " ".join([sys.executable, "sweeps/depth.py", *arguments])
    job = client.submit_job(entrypoint=entrypoint, runtime_env={"working_dir": str(ROOT)})
    end = time.monotonic() + DEADLINE
    while not client.get_job_status(job).is_terminal():
        assert time.monotonic() < end, client.get_job_logs(job)
        time.sleep(1.0)
    return str(client.get_job_status(job).value), client.get_job_logs(job)


@pytest.mark.ray
@pytest.mark.slow
def test_the_sweep_runs_as_a_job_on_actors(client: Any, tmp_path: Path) -> None:
    status, log = finished(
        client, "--quick", "--seeds", "1", "--num-actors", "2", "--storage", str(tmp_path)
    )
    assert status == "SUCCEEDED", log
    for expected in ("of 4 points", "0.467", "0.273", "Levenberg-Marquardt", str(tmp_path)):
        assert expected in log
    assert len(list((tmp_path / "depth_quick").glob("*.parquet"))) == 4


@pytest.mark.ray
def test_a_relative_folder_fails_at_once(client: Any) -> None:
    status, log = finished(client, "--quick", "--storage", "results")
    assert status == "FAILED"
    assert "name an absolute one with --storage" in log
    assert "Traceback" not in log
