from pathlib import Path

import pytest

from vlmrt_dist.store.cache import cache_folder, empty_cache


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("VLMRT_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "vlmrt_dist"


def test_an_empty_cache_is_used_within_its_block_only() -> None:
    before = cache_folder()
    with empty_cache() as outer:
        assert cache_folder() == outer != before
        assert not list(outer.iterdir())
        with empty_cache() as inner:
            assert cache_folder() == inner != outer
        assert cache_folder() == outer
    assert cache_folder() == before
    assert not outer.exists()
