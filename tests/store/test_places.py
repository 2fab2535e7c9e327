"""Places for results: a folder and a real object store on loopback behave alike."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.store.test_ledger import ROW, row
from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.places import Place, RemotePlace, place_of

SECRET = "planted-secret-5be1"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server with one bucket, and who may write to it in the environment."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "planted-id", "AWS_SECRET_ACCESS_KEY": SECRET,
        }.items():  # fmt: skip
            patch.setenv(name, value)
        urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")).close()
        yield url
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return place_of(tmp_path / "new" / "results")
    request.getfixturevalue("server")
    return place_of(f"s3://bucket/{tmp_path.name}/results")


def test_what_is_written_is_read(place: Place) -> None:
    file = place / "rows" / "study=depth" / "k.parquet"
    assert file.read() is None
    assert list((place / "rows").names()) == []
    file.write(b"one")
    file.write(b"two")
    assert file.read() == b"two"
    assert list(place.names()) == ["rows"]
    assert list((place / "rows").names()) == ["study=depth"]
    assert list((place / "rows" / "study=depth").names()) == ["k.parquet"]


def test_the_first_wins(place: Place) -> None:
    file = place / "k"
    assert file.create(b"one")
    assert not file.create(b"two")
    assert file.read() == b"one"


def test_of_many_writers_at_once_one_wins(place: Place) -> None:
    won: list[int] = []

    def write(number: int) -> None:
        if (place / "k").create(bytes([number]) * 100_000):
            won.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (place / "k").read() == bytes(won) * 100_000
    assert list(place.names()) == ["k"]


def test_moving(place: Place) -> None:
    old, new = place / "k", place / "damaged" / "k.1"
    old.write(b"x")
    old.move_to(new)  # type: ignore[arg-type]
    assert (old.read(), new.read()) == (None, b"x")
    old.move_to(place / "damaged" / "k.2")  # type: ignore[arg-type]
    assert list((place / "damaged").names()) == ["k.1"]


def test_a_ledger_keeps_rows_and_finds_damage(place: Place) -> None:
    ledger = Ledger(place)
    rows = [row(f"k{n}", seed=n) for n in range(5)]
    ledger.publish("depth", rows)
    assert Ledger(str(place)).rows("depth") == rows
    assert ledger.studies() == ["depth"]
    file = ledger.folder("depth") / "000000001.parquet"
    content = file.read()
    assert content is not None
    file.write(content[:-1])
    with pytest.warns(UserWarning, match="000000001.parquet is damaged"):
        assert ledger.rows("depth") == []
    ledger.publish("depth", rows)
    assert ledger.rows("depth") == rows


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "/tmp"])
def test_a_name_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    for place in (place_of(tmp_path), place_of("s3://bucket/results")):
        with pytest.raises(StorageError, match="no name for a file"):
            place / name


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/results", "no storage that is known"),
        ("http://host/results", "no storage that is known"),
        ("file:///tmp/results", "no storage that is known"),
        (f"s3://me:{SECRET}@bucket/results", "must not hold a user"),
        (f"s3://bucket/results?secret={SECRET}", "without a password"),
        ("s3://bucket/../other", "of letters"),
        ("s3:///results", "of letters"),
    ],
)
def test_urls_that_are_refused_are_not_repeated(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as raised:
        place_of(url)
    assert SECRET not in str(raised.value)


def test_a_bucket_that_is_not_there_is_said(server: str) -> None:
    place = place_of("s3://nowhere/results")
    with pytest.raises(StorageError, match="no such bucket"):
        Ledger(place).publish("depth", [ROW])
    with pytest.raises(StorageError, match="no such bucket"):
        Ledger(place).rows("depth")


def test_a_store_that_does_not_answer_ends_with_a_sentence(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmrt_dist.store.places.MAX_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="does not answer as it should") as raised:
        (place_of("s3://bucket/results") / "k").create(b"x")
    assert SECRET not in str(raised.value)


@pytest.mark.slow
def test_a_sweep_writes_rows_and_figures_behind_a_url(server: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "sweeps" / "depth.py"), "--quick", "--seeds", "1",
               "--depths", "1", "--storage", "s3://bucket/sweep"]  # fmt: skip
    first, again = (
        subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    assert "rows: s3://bucket/sweep/rows/study=depth_quick" in first.stdout
    assert "figure: s3://bucket/sweep/depth_quick.png" in first.stdout
    assert "depth: 2 of 2 points" in again.stderr.splitlines()[0]
    place = place_of("s3://bucket/sweep")
    assert isinstance(place, RemotePlace)
    rows = Ledger(place).rows("depth_quick")
    assert len(rows) == 2 * 2  # points, methods
    figure = (place / "depth_quick.png").read()
    assert figure is not None
    assert figure.startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == []
    folder = place / "rows" / "study=depth_quick"
    kept = b"".join((folder / name).read() or b"" for name in folder.names())
    told = first.stdout + first.stderr + again.stdout + again.stderr
    assert SECRET not in told + repr(place)
    assert SECRET.encode() not in kept
