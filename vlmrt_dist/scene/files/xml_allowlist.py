"""Untrusted scene XML: parsed without a DTD, and reduced to what states geometry and materials.

Mitsuba opens a shared library named by ``type="…"``, any file named by ``<include>``, ``<path>``, a
texture or a mesh, and repeats its first words in errors. Here nothing of a file reaches Mitsuba.
What only renders (cameras, lights, textures, media, visual materials) is read past, whatever its
type; shapes and their settings are those that are known, and anything else is refused by name.
Error messages repeat names, never content.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from vlmrt_dist.errors import SceneError

MAX_XML_BYTES = 32 * 2**20
MAX_ELEMENTS = 500_000
MAX_DEPTH = 24
MAX_INCLUDES = 1000
MAX_TEXT = 4096
"""Longest attribute after ``$name`` is filled in; stops parameters that double one another."""
MAX_FILLED = 64 * 2**20
"""Most characters of all attributes that hold a ``$name``."""

VISUAL = frozenset(
    ("emitter", "film", "integrator", "medium", "phase", "rfilter", "sampler", "sensor", "texture",
     "volume")
)  # fmt: skip
"""Tags of what renders a scene and says nothing about radio; dropped with all that they hold."""
PROPERTIES = ("boolean", "float", "integer", "point", "rgb", "spectrum", "string", "vector")
TRANSFORM_STEPS = ("lookat", "matrix", "rotate", "scale", "translate")
TAGS = frozenset(
    ("alias", "bsdf", "default", "include", "path", "ref", "scene", "shape", "transform")
) | {*PROPERTIES, *TRANSFORM_STEPS, *VISUAL}

Include = Callable[[str], bytes]
"""From the name of an included file to its content; raises SceneError."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PARAMETER = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_CAPITAL = re.compile(r"(?<=[a-z0-9])[A-Z]")


def checked_tree(content: bytes, file: Path, include: Include) -> Element:
    """The XML of a scene, free of all that is visual or not known, with parameters and included
    files filled in.

    :param content: the bytes of the file
    :param file: how errors call it
    :param include: reads a file that the scene includes
    :raises SceneError: if it is not XML, or holds a tag that is refused
    """
    reduction = _Reduction(include)
    return reduction.reduced(content, str(file), depth=0)


class _BoundedBuilder(TreeBuilder):
    """Builds a tree of limited size, without the text between tags."""

    def __init__(self) -> None:
        super().__init__()
        self._count = self._depth = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        self._count += 1
        self._depth += 1
        if self._count > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise SceneError(
                f"the scene has more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels of them"
            )
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> Element:
        self._depth -= 1
        return super().end(tag)

    def data(self, data: Any, /) -> None:
        pass


def _parse(content: bytes, file: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    # Without a DTD there are no entities, so nothing can be included or multiplied.
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        parser.feed(content)
        root: Element = parser.close()
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
        self._left = MAX_FILLED

    def fill(self, text: str, *, strict: bool) -> str:
        """The text with parameters filled in.

        :param strict: refuse a parameter that has no default; otherwise it stays as it is
        """
        parts: list[str] = []
        length = end = 0
        for match in _PARAMETER.finditer(text):
            if match[1] not in self._values and strict:
                raise SceneError(f"${match[1][:60]} has no <default>")
            parts += [text[end : match.start()], self._values.get(match[1], match[0])]
            end = match.end()
            length += len(parts[-2]) + len(parts[-1])
            if length > MAX_TEXT:
                break
        if not parts:
            return text
        self._left -= length + len(text) - end
        if length + len(text) - end > MAX_TEXT or self._left < 0:
            raise SceneError(
                f"an attribute is longer than {MAX_TEXT} characters, or all that hold a $name are "
                f"longer than {MAX_FILLED} together"
            )
        return "".join([*parts, text[end:]])

    def declare(self, element: Element) -> None:
        name = attribute(element, "name")
        if not _PARAMETER.fullmatch("$" + name):
            raise SceneError(f"<default name={quoted(name)}>: a name has letters and digits only")
        self._values.setdefault(name, attribute(element, "value"))


class _Reduction:
    """Drops what is visual, refuses what is not known, and fills in parameters and includes."""

    def __init__(self, include: Include) -> None:
        self._include = include
        self._parameters = _Parameters()
        self._elements = self._includes = 0

    def reduced(self, content: bytes, file: str, depth: int) -> Element:
        """The root of one file, with the children of those that it includes in their places."""
        root = _parse(content, file)
        if root.tag != "scene":
            raise SceneError(
                f"{file} is no scene file: its outermost tag must be <scene>, as in Sionna's scenes"
            )
        if _older_than_2(root.get("version", "")):
            for element in root.iter():
                # As Mitsuba reads them: toWorld became to_world.
                if "name" in element.attrib:
                    element.set("name", _CAPITAL.sub(_lower, element.attrib["name"]))
        children: list[Element] = []
        for child in root:
            self._clean(child, inside="scene")
            if child.tag == "include":
                children += self._included(attribute(child, "filename"), depth)
            elif child.tag not in VISUAL:
                children.append(child)
            elif child.get("id"):
                # A shape may refer to it.
                children.append(Element("visual", {"id": child.attrib["id"]}))
        root[:] = children
        return root

    def _included(self, name: str, depth: int) -> list[Element]:
        self._includes += 1
        if depth + 1 > MAX_DEPTH or self._includes > MAX_INCLUDES:
            raise SceneError(
                f"the scene includes more than {MAX_INCLUDES} files, or one within another more "
                f"than {MAX_DEPTH} levels deep; does a file include itself?"
            )
        return list(self.reduced(self._include(name), f"file {quoted(name)}", depth + 1))

    def _clean(self, element: Element, *, inside: str) -> None:
        tag = element.tag
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise SceneError(f"the scene has more than {MAX_ELEMENTS} elements")
        if not isinstance(tag, str) or tag not in TAGS:
            raise SceneError(
                f"<{quoted(str(tag))[1:-1]}> is not allowed in a scene; allowed are "
                + ", ".join(sorted(TAGS))
            )
        if tag == "scene" or (tag in ("alias", "default", "include", "path") and inside != "scene"):
            raise SceneError(f"<{tag}> is not allowed inside <{inside}>")
        if tag in VISUAL:
            return
        for key, text in list(element.attrib.items()):
            # What is inside a visual material need not make sense.
            element.set(key, self._parameters.fill(text, strict=inside != "bsdf"))
        if tag == "default":
            self._parameters.declare(element)
        kept: list[Element] = []
        for child in element:
            if tag == "bsdf" and child.tag not in PROPERTIES:
                continue  # a visual material in another, or a texture
            self._clean(child, inside=tag)
            if child.tag not in VISUAL:
                kept.append(child)
        element[:] = kept


def _older_than_2(version: str) -> bool:
    major = version.partition(".")[0]
    return major in ("0", "1")


def _lower(match: re.Match[str]) -> str:
    return "_" + match[0].lower()


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
