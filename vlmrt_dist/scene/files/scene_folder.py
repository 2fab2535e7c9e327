"""Files that a scene names, looked up in its folder and in no other that is not allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.mesh_reader import Mesh, TooManyTriangles, read_ply
from vlmrt_dist.scene.files.obj_reader import read_obj
from vlmrt_dist.scene.files.serialized import read_serialized
from vlmrt_dist.scene.files.xml_allowlist import quoted
from vlmrt_dist.store import UnreadableFile, read_limited

MESH_TYPES = ("ply", "obj", "serialized")
"""Types of shapes that name a file."""


class SceneFolder:
    """Opens files of a scene, and counts bytes and triangles.

    A file may lie in the folder of the scene or below the root, by relative or absolute names;
    links are followed and must end there too.

    :param scene: the scene file
    :param root: a further folder whose files may be read; None: none
    :param max_triangles: most triangles of all meshes
    :param max_bytes: most bytes of all files
    :raises SceneError: if the root is no folder
    """

    def __init__(self, scene: Path, root: Path | None, max_triangles: int, max_bytes: int) -> None:
        if root is not None and not root.is_dir():
            raise SceneError(f"the root {quoted(str(root))} is not a folder")
        folders = [scene.parent] if root is None else [scene.parent, root]
        self._looked_up = [Path(os.path.abspath(folder)) for folder in folders]
        self._real = [Path(os.path.realpath(folder)) for folder in folders]
        self._allowed = self._looked_up + self._real
        self._limits = (max_triangles, max_bytes)
        self._triangles_left, self._bytes_left = self._limits
        self._packed: dict[str, bytes] = {}  # the last file that may hold several meshes

    def add_path(self, name: str) -> None:
        """Look names up in a further folder, as ``<path value="…"/>`` asks for.

        :raises SceneError: if the name leads out of the folders that are allowed
        """
        self._looked_up += self._candidates(name, f"folder {quoted(name)}")

    def read_mesh(self, name: str, kind: str, index: int) -> Mesh:
        """The mesh in a file.

        :param kind: one of ``MESH_TYPES``
        :param index: which mesh of a file that may hold several
        :raises SceneError: if the file is refused, or the meshes have too many triangles
        """
        what = f"mesh {quoted(name)}"
        try:
            if kind == "serialized":
                if name not in self._packed:
                    self._packed = {name: self.read(name, what)}
                content = self._packed[name]
                mesh = read_serialized(content, what, self._triangles_left, index=index)
            else:
                reader = read_ply if kind == "ply" else read_obj
                mesh = reader(self.read(name, what), what, self._triangles_left)
        except TooManyTriangles:
            raise self._too_many() from None
        self.count(mesh)
        return mesh

    def count(self, mesh: Mesh) -> None:
        """:raises SceneError: if the meshes have too many triangles"""
        self._triangles_left -= len(mesh.faces)
        if self._triangles_left < 0:
            raise self._too_many()

    def read(self, name: str, what: str) -> bytes:
        """The content of a file that the scene names.

        :param what: how errors call it
        :raises SceneError: if it is refused or cannot be read
        """
        candidates = self._candidates(name, what)
        for candidate in candidates:
            file = Path(os.path.realpath(candidate))
            if not _within(file, self._real):
                raise SceneError(
                    f"{what} is a link that leaves the folder of the scene; {_allow(file.parent)}"
                )
            if file.exists():
                try:
                    content = read_limited(file, self._bytes_left)
                except UnreadableFile as error:
                    raise SceneError(
                        f"{what}: {error} (all files of a scene together may have "
                        f"{self._limits[1]} bytes, max_bytes= of load_scene)"
                    ) from None
                self._bytes_left -= len(content)
                return content
        looked = ", ".join(dict.fromkeys(str(each.parent) for each in candidates))
        raise SceneError(f"{what}: there is no such file; looked for in {looked}")

    def _candidates(self, name: str, what: str) -> list[Path]:
        """Where a name may mean a file, without touching any.

        :raises SceneError: if the name leads out of the folders that are allowed
        """
        plain = name.isprintable() and "\\" not in name and not re.match(r"[A-Za-z]:", name)
        if not plain or not PurePosixPath(name).parts:
            raise SceneError(
                f"{what} is refused: name a file of the scene with plain letters and '/', as in "
                "meshes/wall.ply"
            )
        found = [Path(os.path.normpath(folder / name)) for folder in self._looked_up]
        inside = [each for each in dict.fromkeys(found) if _within(each, self._allowed)]
        if not inside:
            raise SceneError(
                f"{what} is refused: it lies outside the folder of the scene; "
                + _allow(None if PurePosixPath(name).is_absolute() else found[0].parent)
            )
        return inside

    def _too_many(self) -> SceneError:
        return SceneError(
            f"the scene has more than {self._limits[0]} triangles (max_triangles= of load_scene)"
        )


def _within(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _allow(folder: Path | None) -> str:
    text = "" if folder is None else str(folder)
    shown = text if 0 < len(text) <= 200 and text.isprintable() else "FOLDER"
    return (
        "copy the file there, or allow the files below another folder by --scene-root "
        f"{shown} (root= of load_scene)"
    )
