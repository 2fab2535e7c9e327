"""Option values and arrays as JSON, and back.

Nothing that is read names a class or a file to open: which classes are built is for the caller to
say, and each checks its own fields.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.campaign import Area
from vlmrt_dist.errors import VlmrtError

MAX_NUMBERS = 4_000_000
"""Most numbers of an array."""

DTYPES = {"float": "<f8", "int": "<i8"}

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A value of an option as JSON can hold it."""
    if isinstance(value, Area):
        return {"polygons": to_plain(value.polygons)}
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, np.ndarray):
        return array_to_plain(value)
    if isinstance(value, Mapping):
        return {"mapping": [[to_plain(k), to_plain(v)] for k, v in value.items()]}
    if isinstance(value, (tuple, list)):
        return [to_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": repr(value)}
    return value.item() if isinstance(value, np.generic) else value


def array_to_plain(array: NDArray[Any]) -> dict[str, Any]:
    """An array with its bits: shape, kind of numbers, and little-endian bytes of 8 a number in
    base 64."""
    kind = "float" if np.issubdtype(array.dtype, np.floating) else "int"
    data = np.ascontiguousarray(array, DTYPES[kind]).tobytes()
    return {
        "shape": list(array.shape),
        "dtype": DTYPES[kind],
        "base64": base64.b64encode(data).decode("ascii"),
    }


def from_plain(value: Any) -> Any:
    """The value that :func:`to_plain` told; lists become tuples.

    :raises ValueError: if it is none
    """
    if isinstance(value, list):
        return tuple(from_plain(each) for each in value)
    if not isinstance(value, dict):
        return value
    if value.keys() == {"number"}:
        if value["number"] not in ("inf", "-inf", "nan"):
            raise ValueError("a number is none")
        return float(value["number"])
    if value.keys() == {"polygons"}:
        return _area(value["polygons"])
    if value.keys() == {"mapping"} and isinstance(value["mapping"], list):
        pairs = from_plain(value["mapping"])
        if all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            return {_key(key): each for key, each in pairs}
    if "base64" in value:
        return array_from_plain(value)
    raise ValueError("a value is none that an estimate holds")


def _area(polygons: Any) -> Area:
    """:raises ValueError: if these are no polygons"""
    try:
        found = tuple(
            tuple(tuple((float(x), float(y)) for x, y in ring) for ring in polygon)
            for polygon in polygons
        )
    except (TypeError, ValueError, OverflowError):
        raise ValueError("an area is no list of polygons") from None
    if not all(polygon and all(len(ring) >= 3 for ring in polygon) for polygon in found):
        raise ValueError("an area has a polygon of fewer than three corners")
    return built(Area, {"polygons": [[list(ring) for ring in polygon] for polygon in found]})


def _key(key: Any) -> str | int:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise ValueError("a mapping has a key that is no name and no number")
    return key


def array_from_plain(value: Any) -> NDArray[Any]:
    """The array; its numbers are finite.

    :raises ValueError: if it is none, is too large, or a number is not finite
    """
    if not isinstance(value, dict) or value.keys() != {"shape", "dtype", "base64"}:
        raise ValueError("an array is none")
    shape, dtype, text = value["shape"], value["dtype"], value["base64"]
    sizes = isinstance(shape, list) and len(shape) <= 3
    if not sizes or not all(type(n) is int and 0 <= n <= MAX_NUMBERS for n in shape):
        raise ValueError("an array has no shape")
    count = math.prod(shape)
    if count > MAX_NUMBERS or dtype not in DTYPES.values() or not isinstance(text, str):
        raise ValueError("an array is too large or of another kind")
    if len(text) != 4 * ((8 * count + 2) // 3):
        raise ValueError("an array has more or fewer numbers than its shape says")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("an array is not in base 64") from None
    if len(data) != 8 * count:
        raise ValueError("an array has more or fewer numbers than its shape says")
    array = np.frombuffer(data, dtype).reshape(shape).astype(dtype[1:])
    if not np.isfinite(array).all():
        raise ValueError("an array has a number that is not finite")
    return array


def built(kind: type[T], fields: Any) -> T:
    """A value of a class that checks itself, from the fields that :func:`to_plain` told.

    :raises ValueError: if a field is missing, unknown or impossible
    """
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    name = kind.__name__
    if not isinstance(fields, dict) or not fields.keys() <= names:
        strange = sorted(map(str, set(fields) - names)) if isinstance(fields, dict) else []
        raise ValueError(
            f"{name} has unknown fields {', '.join(strange)[:100]}; another version wrote it"
            if strange
            else f"{name} is no object"
        )
    values = {key: from_plain(each) for key, each in fields.items()}
    try:
        return kind(**values)
    except (VlmrtError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise ValueError(f"{name} is impossible: {str(error)[:200]}") from None
