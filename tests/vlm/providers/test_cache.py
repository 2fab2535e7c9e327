import dataclasses
from pathlib import Path

import pytest

from tests.model_server import ModelServer
from tests.vlm.loopback import ALL_PLYWOOD, GOOD, IMAGES, ROOM, advisor, ask, entry, materials

pytestmark = pytest.mark.usefixtures("planted_keys")


def test_a_question_is_asked_once(provider: str, server: ModelServer, tmp_path: Path) -> None:
    server.answers(materials(entry("floor", "unobtainium")), materials(names=("floor",)))
    first = ask(advisor(provider, server), IMAGES)
    assert server.count == 2
    again = ask(advisor(provider, server), IMAGES)
    assert server.count == 2
    assert again.usage.cached
    assert (again.usage.attempts, again.usage.input_tokens) == (0, 0)
    assert again.prior.materials == first.prior.materials
    assert again.usage.model == first.usage.model
    assert set(first.usage.remarks) == set(again.usage.remarks)
    files = list((tmp_path / "cache" / "vlm").iterdir())
    assert len(files) == 2
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)

    other = dataclasses.replace(IMAGES[0], png=b"\x89PNG something else")
    for different in (
        lambda: ask(advisor(provider, server), (other, IMAGES[1])),
        lambda: ask(advisor(provider, server), ()),
        lambda: ask(advisor(provider, server, temperature=0.5), IMAGES),
        lambda: ask(advisor(provider, server, model="gemini-2.5-flash"), IMAGES),
        lambda: ask(advisor(provider, server, anonymous=True), IMAGES),
        lambda: ask(advisor(provider, server, cache=False), IMAGES),
    ):
        server.answers(GOOD)
        different()
        assert server.count >= 1


def test_damaged_entries_are_asked_again(
    provider: str, server: ModelServer, tmp_path: Path
) -> None:
    server.answers(GOOD)
    ask(advisor(provider, server))
    (file,) = (tmp_path / "cache" / "vlm").iterdir()
    whole = file.read_bytes()
    for damage in (b"", whole[:-20], whole.replace(b"plywood", b"plyweed", 1), b"\xff" + whole):
        file.write_bytes(damage)
        before = server.count
        assert ask(advisor(provider, server)).prior.materials == ALL_PLYWOOD
        assert server.count == before + 1
        assert file.read_bytes() == whole


def test_answers_that_were_none_are_not_kept(provider: str, server: ModelServer) -> None:
    server.answers("", "", GOOD)
    assert ask(advisor(provider, server)).prior.materials == ROOM.materials
    assert ask(advisor(provider, server)).prior.materials == ALL_PLYWOOD
    assert server.count == 3


def test_a_cache_that_cannot_be_written_costs_no_result(
    provider: str, server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path / "file"))
    server.answers(GOOD)
    with pytest.warns(UserWarning, match="VLMRT_CACHE_DIR"):
        assert ask(advisor(provider, server)).prior.materials == ALL_PLYWOOD
