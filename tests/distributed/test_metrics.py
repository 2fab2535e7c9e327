"""A running study, scraped by a real Prometheus where its package can be had."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from vlmrt_dist.distributed.metrics import MAX_VALUES, METRICS, STUDY_METRICS, StudyMetrics
from vlmrt_dist.store.ledger import Ledger

DASHBOARD = ROOT / "cluster" / "grafana" / "vlmrt.json"


def expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_what_is_exported_and_for_all_of_it() -> None:
    asked = {name for e in expressions() for name in re.findall(r"ray_vlmrt_\w+", e)}
    ends = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}
    exported = {f"ray_{name}{end}" for name, metric in METRICS.items() for end in ends[metric.kind]}
    assert asked <= exported
    shown = {re.sub("^ray_|_(total|bucket|count|sum)$", "", name) for name in asked}
    assert shown == set(METRICS)
    tags = {tag for e in expressions() for by in re.findall(r"by \(([^)]*)\)", e)
            for tag in by.split(", ")}  # fmt: skip
    assert tags <= {"study", "engine", "model", "direction", "le", "instance"}


def test_the_dashboard_has_a_place_for_every_panel() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    places = [tuple(panel["gridPos"][k] for k in "xywh") for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in dashboard["panels"])


def test_a_tag_has_few_values_and_harmless_ones() -> None:
    metrics = StudyMetrics()
    values = [metrics.bounded("study", f"study {i}") for i in range(MAX_VALUES + 5)]
    assert values[:2] == ["study_0", "study_1"]
    assert set(values[MAX_VALUES:]) == {"other"}
    assert metrics.bounded("study", "study 0") == "study_0"
    assert metrics.bounded("engine", "") == "none"
    assert len(metrics.bounded("engine", "x\n" * 100)) == 64
    metrics.reset()
    assert metrics.bounded("study", "yet another") == "yet_another"


def test_without_ray_nothing_happens() -> None:
    metrics = StudyMetrics()
    metrics.tell_estimation("a", "replay", loss=1.0, mre=None, iterations=3, seconds=0.1)
    metrics.tell_actor_start("a", "replay")


# With Ray and Prometheus


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def apt_get(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["apt-get", "-q", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prometheus: installed, or out of Debian's package, which nothing has to install."""
    installed = shutil.which("prometheus")
    if installed:
        return Path(installed)
    if not shutil.which("apt-get"):
        pytest.skip("Prometheus is neither installed nor to be had: there is no apt-get here")
    folder = tmp_path_factory.mktemp("prometheus")
    got = apt_get(folder, "download", "prometheus")
    packages = list(folder.glob("prometheus_*.deb"))
    if not packages:  # the system's package lists may be empty: lists that anyone may write
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        own = (f"-oDir::State::Lists={folder / 'lists'}", f"-oDir::Cache={folder / 'cache'}",
               "-oDebug::NoLocking=1")  # fmt: skip
        apt_get(folder, *own, "update")
        got = apt_get(folder, *own, "download", "prometheus")
        packages = list(folder.glob("prometheus_*.deb"))
    if not packages:
        pytest.skip(f"Debian's package prometheus cannot be had here: {got.stderr.strip()[-200:]}")
    subprocess.run(["dpkg-deb", "-x", packages[0], folder / "unpacked"], check=True)
    return folder / "unpacked" / "usr" / "bin" / "prometheus"


@pytest.fixture(scope="module")
def export() -> Iterator[str]:
    """A private Ray and where it exports its metrics."""
    import ray

    from vlmrt_dist.signals import STOP_SIGNAL

    port = free_port()
    STUDY_METRICS.tell_question("a-model", 120, 30, 1.5)  # before Ray is there, as studies ask
    with STOP_SIGNAL.kept():
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
            _metrics_export_port=port, _system_config={"metrics_report_interval_ms": 500},
        )  # fmt: skip
    try:
        yield f"127.0.0.1:{port}"
    finally:
        ray.shutdown()


@pytest.fixture(scope="module")
def server(program: Path, export: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("scraping")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: ray, static_configs: [{{targets: ['{export}']}}]}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("w") as log, subprocess.Popen(
        [program, f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={address}",
         f"--storage.tsdb.path={folder / 'data'}"],
        stdout=log, stderr=log,
    ) as process:  # fmt: skip
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def query(server: str, expression: str) -> list[dict[str, Any]]:
    url = f"{server}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=10) as answer:
        content = json.load(answer)
    assert content["status"] == "success"
    return list(content["data"]["result"])


def wait_for(server: str, expression: str) -> list[dict[str, Any]]:
    end = time.monotonic() + 60
    while True:
        try:
            found = query(server, expression)
        except OSError:
            found = []
        if found:
            return found
        assert time.monotonic() < end, f"nothing for {expression}"
        time.sleep(0.5)


@pytest.mark.ray
@pytest.mark.slow
def test_prometheus_sees_a_study_and_the_dashboard_has_something_to_show(
    server: str, tmp_path: Path
) -> None:
    from vlmrt_dist.campaign.free_space import random_campaign
    from vlmrt_dist.campaign.radio_config import RadioConfig
    from vlmrt_dist.distributed.actor_objective import ActorObjective
    from vlmrt_dist.distributed.session import ActorOptions
    from vlmrt_dist.scene.paper_room import box_room
    from vlmrt_dist.studies.runs import Point, run

    room, radio = box_room(), RadioConfig.paper(max_depth=1)
    planned = random_campaign(room, 2, 3, seed=3)
    point = Point("watched", room, planned, radio, ("levenberg_marquardt",), "itu", "same_paths",
                  seeds=(0, 1))  # fmt: skip
    rows = run([point], Ledger(tmp_path), workers=ActorOptions())
    [paths] = wait_for(server, 'ray_vlmrt_paths{study="watched"}')
    assert float(paths["value"][1]) == rows[0].num_paths
    [iterations] = wait_for(server, 'ray_vlmrt_iterations_total{study="watched"}')
    assert float(iterations["value"][1]) == sum(row.iterations for row in rows)
    [done] = query(server, 'ray_vlmrt_estimations_total{study="watched", engine="replay"}')
    assert float(done["value"][1]) == 2
    [mre] = query(server, 'ray_vlmrt_mre{study="watched"}')
    assert float(mre["value"][1]) == pytest.approx(rows[-1].mre)

    import numpy as np

    measured = np.full((1, *planned.present.shape), 1e-9)
    theta = room.conductivity(radio.frequency)[None]
    with ActorObjective(
        room,
        planned,
        radio,
        measured=measured,
        workers=ActorOptions(num_gpus=0, study="sharded"),
    ) as objective:
        loss = objective.value_and_grad(theta).loss.sum()
        os.kill(objective.describe()[0].pid, 9)
        for _ in range(10):
            objective.value_and_grad(theta)
            time.sleep(0.2)
        [told] = wait_for(server, 'ray_vlmrt_loss{study="sharded"}')
        assert float(told["value"][1]) == pytest.approx(loss)
        [again] = wait_for(server, 'ray_vlmrt_restarts_total{study="sharded"}')
        assert float(again["value"][1]) == 1
        [held] = wait_for(server, 'ray_vlmrt_paths{study="sharded"} > 0')
        assert float(held["value"][1]) == objective.num_paths
        wait_for(server, 'ray_vlmrt_evaluation_seconds_count{study="sharded"} >= 10')
    [tokens] = wait_for(server, 'ray_vlmrt_vlm_tokens_total{model="a-model", direction="input"}')
    assert float(tokens["value"][1]) == 120
    wait_for(server, "ray_vlmrt_vlm_seconds_count > 0")
    for expression in expressions():
        result = query(server, expression.replace("$study", ".*"))
        assert result or "rate(" in expression or "gpus" in expression, expression
