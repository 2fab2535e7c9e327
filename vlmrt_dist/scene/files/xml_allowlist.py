"""Untrusted scene XML: parsed without a DTD, and checked against an allow-list before it is read.

Mitsuba opens a shared library named by ``type="…"``, any file named by ``<include>`` or a mesh, and
repeats its first words in errors. Hence tags, plugin types and plain relative paths that are known,
and everything else refused by name. Error messages repeat names, never content.
"""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from vlmrt_dist.errors import SceneError

MAX_XML_BYTES = 32 * 2**20
MAX_ELEMENTS = 500_000
MAX_DEPTH = 24
MAX_TEXT = 4096
"""Longest attribute after ``$name`` is filled in; stops parameters that double one another."""

RADIO_BSDFS = ("itu-radio-material", "radio-material")
SHAPES = ("ply", "obj", "rectangle", "cube")

_VISUAL_BSDFS = tuple(
    (  # noqa: SIM905 - one word a plugin reads better than sixteen lines
        "blendbsdf bumpmap conductor dielectric diffuse mask normalmap null plastic principled "
        "principledthin roughconductor roughdielectric roughplastic thindielectric twosided"
    ).split()
)

# What renders a scene says nothing about radio: read past, and never handed on.
VISUAL_PLUGINS: dict[str, tuple[str, ...]] = {
    "bsdf": _VISUAL_BSDFS,
    "integrator": ("aov", "depth", "direct", "moment", "path", "volpath", "volpathmis"),
    "sensor": ("perspective", "orthographic", "thinlens"),
    "film": ("hdrfilm", "specfilm"),
    "sampler": ("independent", "ldsampler", "multijitter", "orthogonal", "stratified"),
    "rfilter": ("box", "catmullrom", "gaussian", "lanczos", "mitchell", "tent"),
    "emitter": ("area", "constant", "directional", "envmap", "point", "spot", "sunsky"),
    "texture": ("bitmap", "checkerboard", "mesh_attribute"),
}
PROPERTIES = ("boolean", "float", "integer", "point", "rgb", "spectrum", "string", "vector")
TRANSFORM_STEPS = ("lookat", "matrix", "rotate", "scale", "translate")
TAGS = frozenset(
    {*("scene", "default", "shape", "ref", "transform"), *PROPERTIES, *TRANSFORM_STEPS}
    | set(VISUAL_PLUGINS)
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PARAMETER = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


def checked_tree(content: bytes, file: Path) -> Element:
    """The XML of a scene, free of anything that is not on the allow-list, parameters filled in.

    :param content: the bytes of the file
    :param file: how errors call it
    :raises SceneError: if it is not XML, or holds a tag, plugin type or path that is refused
    """
    root = _parse(content, file)
    if root.tag != "scene":
        raise SceneError(f"{file}: its outermost tag must be <scene>")
    _check_tree(root, _Parameters())
    return root


def _parse(content: bytes, file: Path) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        # Without a DTD there are no entities, so nothing can be included or multiplied.
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise SceneError(f"{file}: DOCTYPE and entities are not allowed in a scene") from None
    except ParseError as error:
        line, column = error.position
        raise SceneError(f"{file} is not well-formed XML (line {line}, column {column})") from None
    except (LookupError, ValueError):
        raise SceneError(f"{file} is not well-formed XML (its encoding is unknown)") from None
    return root


class _Parameters:
    """``<default name="…" value="…"/>``: what ``$name`` stands for in later attributes."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def fill(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in self._values:
                raise SceneError(f"${match[1][:60]} has no <default>")
            return self._values[match[1]]

        filled = _PARAMETER.sub(value, text)
        if len(filled) > MAX_TEXT:
            raise SceneError(f"an attribute is longer than {MAX_TEXT} characters")
        return filled

    def declare(self, element: Element) -> None:
        name = attribute(element, "name")
        if not _PARAMETER.fullmatch("$" + name):
            raise SceneError(f"<default name={quoted(name)}>: a name has letters and digits only")
        self._values.setdefault(name, attribute(element, "value"))


def _check_tree(root: Element, parameters: _Parameters) -> None:
    """Refuse tags, plugin types and paths that are not known; fill in parameters on the way."""
    count = 0
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        count += 1
        if count > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise SceneError(
                f"the scene has more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels of them"
            )
        tag = element.tag
        if not isinstance(tag, str) or tag not in TAGS:
            raise SceneError(
                f"<{quoted(str(tag))[1:-1]}> is not allowed in a scene; allowed are "
                + ", ".join(sorted(TAGS))
            )
        for key, text in list(element.attrib.items()):
            element.set(key, parameters.fill(text))
        if tag == "default":
            parameters.declare(element)
        elif tag == "shape":
            _check_type(element, SHAPES)
        elif tag == "bsdf":
            _check_type(element, RADIO_BSDFS + tuple(VISUAL_PLUGINS["bsdf"]))
        elif tag in VISUAL_PLUGINS:
            _check_type(element, VISUAL_PLUGINS[tag])
        elif tag == "string" and element.get("name") == "filename":
            plain_path(attribute(element, "value"))
        if depth > 1 and tag == "scene":
            raise SceneError("<scene> is not allowed inside <scene>")
        waiting.extend((child, depth + 1) for child in reversed(element))


def _check_type(element: Element, allowed: tuple[str, ...]) -> None:
    kind = attribute(element, "type")
    if kind not in allowed:
        raise SceneError(
            f"plugin type {quoted(kind)} of <{element.tag}> is not allowed in a scene; allowed "
            "are " + ", ".join(allowed)
        )


def plain_path(text: str) -> PurePosixPath:
    """A relative path without a way out of its folder.

    :raises SceneError: if it is absolute, has a parent part, a backslash or control characters
    """
    path = PurePosixPath(text)
    plain = text.isprintable() and "\\" not in text and not re.match(r"[A-Za-z]:", text)
    if not plain or not path.parts or path.is_absolute() or ".." in path.parts:
        raise SceneError(
            f"path {quoted(text)} is refused: name files relative to the scene, inside its "
            "folder, without '..'"
        )
    return path


def number(text: str, what: str) -> float:
    """A finite number in plain decimal notation (SceneError names ``what`` otherwise)."""
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not math.isfinite(value):
        raise SceneError(f"{what}: not a finite number")
    return value


def attribute(element: Element, key: str) -> str:
    """An attribute that must be there (SceneError)."""
    text = element.get(key)
    if text is None:
        raise SceneError(f"<{element.tag}> has no attribute {key!r}")
    return text


def quoted(text: str) -> str:
    """Untrusted text for a message: cut short, with control characters escaped."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
