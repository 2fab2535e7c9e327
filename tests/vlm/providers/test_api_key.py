import copy
import os
import pickle
import subprocess
import traceback
from pathlib import Path

import pytest

from vlmrt_dist.errors import VlmError
from vlmrt_dist.vlm.providers import api_key as keys
from vlmrt_dist.vlm.providers.api_key import GEMINI_KEY, OPENAI_KEY, Key, find_key

SECRET = "AIza-planted-secret-0001"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_taken", {})
    for place in (GEMINI_KEY, OPENAI_KEY):
        for name in (*place.variables, place.file_variable):
            monkeypatch.setenv(name, "x")
            monkeypatch.delenv(name)


def key_file(folder: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path = folder / "key.txt"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_shows_itself_to_nobody() -> None:
    key = Key(SECRET)
    for text in (str(key), repr(key), f"{key}", f"{key!r}", repr([key]), repr({"k": key})):
        assert SECRET not in text
    assert key.reveal() == SECRET
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="does not travel") as caught:
            travel(key)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_key_is_removed_from_what_a_server_sends_back() -> None:
    assert Key(SECRET).removed_from(f"bad key {SECRET}!") == "bad key [key removed]!"


def test_the_environment_loses_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "the-second-one")
    monkeypatch.setenv("GEMINI_API_KEY", f" {SECRET}\n")
    found = find_key(GEMINI_KEY)
    assert found is not None
    assert found.reveal() == SECRET
    assert not {"GEMINI_API_KEY", "GOOGLE_API_KEY"} & os.environ.keys()
    assert SECRET not in subprocess.run(["env"], capture_output=True, text=True).stdout
    again = find_key(GEMINI_KEY)  # a second advisor of the same process
    assert again is not None
    assert again.reveal() == SECRET
    assert find_key(OPENAI_KEY) is None


def test_no_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_key(GEMINI_KEY) is None
    monkeypatch.setenv("GEMINI_API_KEY", "")
    assert find_key(GEMINI_KEY) is None


def test_a_private_file_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = key_file(tmp_path, SECRET + "\n")
    monkeypatch.setenv("GEMINI_API_KEY", "from-the-environment")
    for named in (path, None):
        if named is None:
            monkeypatch.setenv("VLMRT_GEMINI_KEY_FILE", str(path))
        found = find_key(GEMINI_KEY, named)
        assert found is not None
        assert found.reveal() == SECRET
        assert "GEMINI_API_KEY" not in os.environ


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_a_file_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, mode=mode)
    with pytest.raises(VlmError, match=f"chmod 600 {path}"):
        find_key(GEMINI_KEY, path)


@pytest.mark.parametrize(
    "text", ["", "short", "two words-in-it", "line\nline-of-a-key", "schlüssel-é"]
)
def test_what_is_no_key_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with pytest.raises(VlmError, match="holds no key") as caught:
        find_key(GEMINI_KEY, key_file(tmp_path, text))
    assert not text or text not in str(caught.value)
    if text:
        monkeypatch.setenv("OPENAI_API_KEY", text)
        with pytest.raises(VlmError, match="OPENAI_API_KEY holds no key"):
            find_key(OPENAI_KEY)
        assert "OPENAI_API_KEY" not in os.environ


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VlmError, match="no such file"):
        find_key(GEMINI_KEY, tmp_path / "nowhere")
    with pytest.raises(VlmError, match="directory"):
        find_key(GEMINI_KEY, tmp_path)
