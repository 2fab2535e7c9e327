"""A folder with a scene file's meshes."""

from pathlib import Path

import pytest

from tests.scene.files.documents import BOX, SECRET


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a mesh in it, and a secret beside it."""
    (tmp_path / "secret.ply").write_text(SECRET)
    inside = tmp_path / "scene"
    (inside / "meshes").mkdir(parents=True)
    (inside / "meshes" / "box.ply").write_bytes(BOX.export(file_type="ply"))
    (inside / "meshes" / "box.obj").write_text(BOX.export(file_type="obj"))
    return inside
