"""Layers files: which objects of a scene have which layers, as TOML beside the scene file.

::

    [wall.partition]                          # a name for people
    objects = ["wall north", "wall east"]     # of the scene
    materials = ["plasterboard"]              # and every object of these materials
    layers = [                                # from the front to the back
        {material = "plasterboard", thickness = 0.0125},
        {material = "air", thickness = 0.075},
        {material = "plasterboard", thickness = 0.0125},
    ]

A layer's material is a class of ITU-R P.2040 or "air"; ``conductivity`` [S/m] and
``relative_permittivity`` replace the table's values, and ``name`` is what the layer is called.

::

    [extra_loss_db]        # loss of what passes through an object beyond that of its slab or layers
    "lift shaft" = 12.0    # [dB], at all angles
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.layers import AIR, MAX_LAYERS, MAX_NAME_LENGTH, Layer, LayeredMaterial
from vlmrt_dist.scene.scene_object import SceneObject
from vlmrt_dist.store import UnreadableFile, read_limited

LAYERS_FILE = "layers.toml"
"""Name under which a scene's layers are written beside it."""

MAX_BYTES = 4 * 2**20
MAX_WALLS = 10_000
MAX_OBJECTS = 1_000_000

_DEEP = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""", re.ASCII
)
"""A dotted key of many parts, which the parser takes quadratic time for; the file has four levels.
"""

_HINT = (
    'It holds tables [wall.NAME] with objects or materials, and layers = [{material = "glass", '
    "thickness = 0.004}, ...]; and perhaps [extra_loss_db] with OBJECT = dB"
)

_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Layer(_Entry):
    material: _Name
    thickness: _Number
    relative_permittivity: _Number | None = None
    conductivity: _Number | None = None
    name: _Name | None = None


class _Wall(_Entry):
    objects: list[_Name] = []
    materials: list[_Name] = []
    layers: Annotated[list[_Layer], Field(min_length=1, max_length=MAX_LAYERS)]


class _File(_Entry):
    wall: Annotated[dict[_Name, _Wall], Field(max_length=MAX_WALLS)] = {}
    extra_loss_db: Annotated[dict[_Name, _Number], Field(max_length=MAX_OBJECTS)] = {}


class WallsOfFile(NamedTuple):
    """Layers and extra losses of a scene's objects, from a layers file.

    :param layers: object name -> its layers
    :param extra_loss_db: object name -> loss of what passes through it beyond that of its slab or
        layers [dB]
    """

    layers: dict[str, LayeredMaterial]
    extra_loss_db: dict[str, float]


def read_layers(path: str | os.PathLike[str], objects: Sequence[SceneObject]) -> WallsOfFile:
    """Layers and extra losses of a scene's objects, from a layers file.

    :param path: the TOML file
    :param objects: of the scene
    :raises SceneError: if the file cannot be read, names what the scene does not have, gives an
        object two walls, or says nothing
    :raises MaterialError: if a layer is impossible
    """
    document = _read(path)
    if not document.wall and not document.extra_loss_db:
        raise SceneError(f"the layers file {path} is empty. {_HINT}")
    known = {o.name for o in objects}
    for name in document.extra_loss_db:
        if name not in known:
            raise _unknown(f"{path}, extra_loss_db", "object", name, [o.name for o in objects])
    return WallsOfFile(_layers(document, path, objects), document.extra_loss_db)


def _layers(
    document: _File, path: str | os.PathLike[str], objects: Sequence[SceneObject]
) -> dict[str, LayeredMaterial]:
    found: dict[str, LayeredMaterial] = {}
    wall_of: dict[str, str] = {}
    for name, wall in document.wall.items():
        where = f"{path}, wall {name!r}"
        try:
            layers = [Layer(**each.model_dump()) for each in wall.layers]
            material = LayeredMaterial(name, tuple(layers))
        except MaterialError as error:
            raise MaterialError(f"{where}: {error}") from None
        for item in _members(wall, objects, where):
            if item in wall_of:
                raise SceneError(
                    f"{where}: object {item!r} has the layers of wall {wall_of[item]!r} already"
                )
            wall_of[item], found[item] = name, material
    return found


def layers_text(objects: Sequence[SceneObject]) -> str:
    """The layers file of a scene's objects; empty where none has layers or an extra loss."""
    members: dict[LayeredMaterial, list[str]] = {}
    for item in objects:
        if item.layered is not None:
            members.setdefault(item.layered, []).append(item.name)
    taken: set[str] = set()
    parts = []
    for material, names in members.items():
        parts.append(f"[wall.{_text(_unused(material.name, taken))}]\n")
        parts.append("objects = [" + ", ".join(map(_text, names)) + "]\nlayers = [\n")
        for layer in material.layers:
            fields = {
                "material": layer.material,
                "thickness": layer.thickness,
                "relative_permittivity": layer.relative_permittivity,
                "conductivity": layer.conductivity,
                "name": layer.name,
            }
            if layer.material == AIR:
                del fields["relative_permittivity"], fields["conductivity"]
            stated = [f"{k} = {_value(v)}" for k, v in fields.items() if v is not None]
            parts.append("    {" + ", ".join(stated) + "},\n")
        parts.append("]\n\n")
    losses = [f"{_text(o.name)} = {o.extra_loss_db!r}\n" for o in objects if o.extra_loss_db]
    if losses:
        parts += ["[extra_loss_db]\n", *losses]
    return "".join(parts).rstrip("\n") + "\n" * bool(parts)


def _read(path: str | os.PathLike[str]) -> _File:
    """:raises SceneError: if the file is no layers file; the message says where"""
    try:
        content = read_limited(path, MAX_BYTES)
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        if _DEEP.search(text):
            raise RecursionError
        document = tomllib.loads(text)
        return _File.model_validate(document)
    except UnreadableFile as error:
        raise SceneError(f"cannot read the layers file {path}: {error}") from None
    except UnicodeDecodeError:
        raise SceneError(f"the layers file {path} is no UTF-8 text") from None
    except RecursionError:
        raise SceneError(f"the layers file {path} is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise SceneError(f"the layers file {path} is no TOML: {error}") from None
    except ValidationError as error:
        raise _wrong(path, error) from None
    except ValueError:  # of Python, about an integer of thousands of digits
        raise SceneError(f"the layers file {path} holds a number of too many digits") from None


def _wrong(path: str | os.PathLike[str], error: ValidationError) -> SceneError:
    detail = error.errors(include_url=False, include_input=False)[0]
    place = " > ".join(str(part)[:60] for part in detail["loc"]) or "the file"
    unknown = detail["type"] == "extra_forbidden"
    problem = "there is no such key" if unknown else detail["msg"]
    return SceneError(f"the layers file {path}: {place}: {problem}. {_HINT}")


def _members(wall: _Wall, objects: Sequence[SceneObject], where: str) -> list[str]:
    """Names of the objects that have a wall's layers."""
    names, materials = [o.name for o in objects], sorted({o.material for o in objects})
    for given, known, what in (
        (wall.objects, names, "object"), (wall.materials, materials, "material of an object"),
    ):  # fmt: skip
        strange = [each for each in given if each not in set(known)]
        if strange:
            raise _unknown(where, what, strange[0], known)
    chosen = {*wall.objects}
    members = [o.name for o in objects if o.name in chosen or o.material in wall.materials]
    if not members:
        raise SceneError(f"{where}: name its objects = [...], or materials = [...]")
    return members


def _unknown(where: str, what: str, name: str, known: Sequence[str]) -> SceneError:
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    has = ", ".join(map(repr, known[:8])) + more
    return SceneError(f"{where}: there is no {what} {name!r}; the scene has {has}")


def _unused(name: str, taken: set[str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name} {count}"
    taken.add(candidate)
    return candidate


def _value(value: Any) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    # Names are printable, and JSON's escapes of printable text are TOML's.
    return json.dumps(text, ensure_ascii=False)
