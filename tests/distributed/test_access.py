"""Open and closed clusters: what decides is how a real head answers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from vlmrt_dist.cli import diagnosis as doctor
from vlmrt_dist.distributed import access as cluster_access
from vlmrt_dist.distributed.access import asks_for_token, host_and_port, is_this_machine
from vlmrt_dist.errors import ActorFailure, ConfigurationError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Two GCS processes, all that a head is made of here, by how they let callers in."""
    import ray

    home = tmp_path_factory.mktemp("home")
    program = Path(ray.__file__).parent / "core" / "src" / "ray" / "gcs" / "gcs_server"
    running, addresses = [], {}
    for mode in ("token", "disabled"):
        port = free_port()
        environment = {
            **os.environ,
            "HOME": str(home),
            "RAY_AUTH_MODE": mode,
            "RAY_AUTH_TOKEN": "secret" * 8,
        }
        folder = home / mode
        folder.mkdir()
        running.append(
            subprocess.Popen(
                [
                    program, f"--gcs_server_port={port}", f"--log_dir={folder}",
                    f"--session_dir={folder}", "--node_ip_address=127.0.0.1",
                    "--session_name=test",
                ],
                env=environment, cwd=folder,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        addresses[mode] = f"127.0.0.1:{port}"
    try:
        for address in addresses.values():
            wait_for(address)
        yield addresses
    finally:
        for process in running:
            process.kill()
            process.wait()


def wait_for(address: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            asks_for_token(address)
            return
        except ActorFailure:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_addresses() -> None:
    assert host_and_port("head:6379") == ("head", 6379)
    assert host_and_port("ray://[fe80::1]:10001") == ("fe80::1", 10001)
    assert host_and_port("auto") is None


def test_own_addresses_and_others() -> None:
    assert is_this_machine("127.0.0.1")
    assert is_this_machine("localhost")
    assert is_this_machine(socket.gethostname())
    assert not is_this_machine("192.0.2.77")  # reserved for documentation
    assert not is_this_machine("no-such-host.invalid")


@pytest.mark.ray
def test_whether_a_head_asks_for_a_token_is_found_by_asking_it(heads: dict[str, str]) -> None:
    assert asks_for_token(heads["token"])
    assert not asks_for_token(heads["disabled"])
    assert not asks_for_token("ray://" + heads["disabled"])
    with pytest.raises(ActorFailure, match="no Ray cluster could be joined"):
        asks_for_token(f"127.0.0.1:{free_port()}")


@pytest.mark.ray
def test_the_doctor_warns_of_an_open_cluster(
    heads: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = doctor.check_cluster(heads["token"])
    assert (closed.status, closed.remedy) == ("ok", "")
    here = doctor.check_cluster(heads["disabled"])
    assert here.status == "info"
    assert "on this machine" in here.found
    monkeypatch.setattr(doctor, "is_this_machine", lambda _: False)
    there = doctor.check_cluster(heads["disabled"])
    assert there.status == "warn"
    assert "cluster/start.sh" in there.remedy
    nobody = doctor.check_cluster(f"127.0.0.1:{free_port()}")
    assert nobody.status == "warn"
    assert "no Ray cluster could be joined" in nobody.found


@pytest.mark.ray
def test_a_sweep_refuses_an_open_cluster_of_several_machines(
    heads: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    nodes = [
        {"Alive": True, "NodeManagerAddress": "127.0.0.1"},
        {"Alive": True, "NodeManagerAddress": "192.0.2.77"},
    ]

    class Context:
        gcs_address = heads["disabled"]

    def forget(*_: Any) -> Context:
        return Context()

    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(ray, "get_runtime_context", forget)
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.77, asks nobody for a token"):
        cluster_access.refuse_open_cluster()
    monkeypatch.setenv(cluster_access.ALLOW_OPEN, "1")
    cluster_access.refuse_open_cluster()
    monkeypatch.delenv(cluster_access.ALLOW_OPEN)
    Context.gcs_address = heads["token"]
    cluster_access.refuse_open_cluster()
    nodes.pop()
    Context.gcs_address = heads["disabled"]
    cluster_access.refuse_open_cluster()


def test_importing_it_does_not_import_ray() -> None:
    code = "import sys, vlmrt_dist.distributed.access; print({'ray', 'grpc'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
