"""The posterior of an estimate with all that it was made from, as JSON, and read back.

It stands beside the rows of a result file: in JSON under ``posterior``, in Parquet as the metadata
``posterior`` of the schema. Whoever reads it trusts nothing: sizes, ranges, and that the parts
belong together are checked.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.inference.level_prediction import evenly_weighted
from vlmrt_dist.inference.options import LinkLoss, Noise, Parameters, Prior
from vlmrt_dist.inference.origin import KnownDevices, KnownOffsets, ObjectKey, OffsetsBy, Origin
from vlmrt_dist.inference.parameters import KINDS, LAYER, OF_LINKS
from vlmrt_dist.inference.plain_values import (
    array_from_plain,
    array_to_plain,
    built,
    to_plain,
)
from vlmrt_dist.inference.problem import Assumptions
from vlmrt_dist.inference.quantities import JointPosterior
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.inference.weighted_draws import WeightedDraws
from vlmrt_dist.scene import MaterialPrior

FORMAT = 1

MOST_UNKNOWNS = 1000
"""Unknowns up to which a file holds their covariance."""

MOST_DRAWN = 500_000
"""Numbers up to which a file holds draws; more of them are thinned."""

NOT_NEGATIVE = 1e-9
"""A covariance may have eigenvalues down to minus this share of the largest."""


class Told(NamedTuple):
    """Contents of a document beside the values of the objects."""

    joint: JointPosterior
    origin: Origin


def posterior_document(result: Estimate) -> dict[str, Any] | None:
    """The document; None, with a warning, where an estimate has too many unknowns."""
    joint, origin = result.joint, result.origin
    if joint is None or origin is None:
        return None
    if len(joint.x) > MOST_UNKNOWNS:
        warnings.warn(
            f"the joint posterior of {len(joint.x)} unknowns is not written (more than "
            f"{MOST_UNKNOWNS}): the file holds each object's own interval, and no predictions can "
            "be made from it",
            stacklevel=3,
        )
        return None
    assumed = origin.assumed
    prior = "MaterialPrior" if isinstance(assumed.prior, MaterialPrior) else "Prior"
    return {
        "format": FORMAT,
        "scene": {
            "name": origin.scene,
            "key": origin.scene_key,
            "objects": [list(key) for key in origin.objects],
        },
        "campaign_key": origin.campaign_key,
        "radio": to_plain(assumed.radio),
        "prior": {"kind": prior, "fields": to_plain(assumed.prior)},
        "parameters": to_plain(assumed.parameters),
        "noise": to_plain(assumed.noise),
        "loss": assumed.loss,
        "noise_scale": to_plain(float(origin.noise_scale)),
        "unknowns": {
            "quantity": list(joint.quantity),
            "label": list(joint.label),
            "x": array_to_plain(joint.x),
            "covariance": array_to_plain(joint.matrix[np.tril_indices(len(joint.x))]),
            "of_objects": {
                name: array_to_plain(entry)
                for name, entry in joint.entry.items()
                if name not in OF_LINKS
            },
        },
        "draws": None if joint.draws is None else _draws(joint.draws),
        "offsets": None if origin.offsets is None else to_plain(origin.offsets),
        "devices": None if origin.devices is None else to_plain(origin.devices),
    }


def _draws(draws: WeightedDraws) -> dict[str, Any]:
    size = max(draws.x.shape[1], 1)
    if draws.x.size > MOST_DRAWN:
        x = evenly_weighted(draws, MOST_DRAWN // size)
        same = np.full(len(x), 1.0 / len(x))
        draws = WeightedDraws(x, same, np.zeros(len(x), np.int64), draws.evaluations)
    return {
        "x": array_to_plain(draws.x),
        "weight": array_to_plain(draws.weight),
        "mode": array_to_plain(np.asarray(draws.mode)),
        "evaluations": int(draws.evaluations),
    }


def read_document(document: Any, num_objects: int, num_layers: int = 0) -> Told:
    """Posterior and origin in a document.

    :param num_objects: K, as many as the file has rows of objects
    :param num_layers: Λ, as many as it has rows of layers
    :raises ValueError: if something is missing, impossible, or does not belong together
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("its posterior is none of this version")
    try:
        joint = _joint(document["unknowns"], document["draws"], num_objects, num_layers)
        return Told(joint, _origin(document, joint, num_objects))
    except KeyError as error:
        raise ValueError(f"its posterior lacks {str(error)[:60]}") from None
    except (TypeError, AttributeError):
        raise ValueError("a part of its posterior is of another kind than it should be") from None


def _joint(unknowns: Any, draws: Any, num_objects: int, num_layers: int) -> JointPosterior:
    quantity, label = _words(unknowns["quantity"]), _words(unknowns["label"])
    size = len(quantity)
    if not 0 < size <= MOST_UNKNOWNS or not set(quantity) <= set(KINDS):
        raise ValueError(f"its unknowns are not 1 to {MOST_UNKNOWNS} of those that there can be")
    x = _shaped(unknowns["x"], (size,), "x")
    if len(label) != size or np.abs(x).max() > 1e4:
        raise ValueError("its unknowns have other labels or values than there can be")
    lower = _shaped(unknowns["covariance"], (size * (size + 1) // 2,), "covariance")
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = lower
    matrix = matrix + np.tril(matrix, -1).T
    values = np.linalg.eigvalsh(matrix)
    if np.diag(matrix).min() < 0.0 or values[0] < -NOT_NEGATIVE * max(values[-1], 1e-300):
        raise ValueError("its covariance is not that of anything: it has a negative variance")
    entry: dict[str, IntArray] = {}
    for name, plain in unknowns["of_objects"].items():
        of_objects = array_from_plain(plain).astype(np.int64)
        right = of_objects.size == (num_layers if name in LAYER.values() else num_objects)
        if name not in KINDS or name in OF_LINKS or of_objects.ndim != 1 or not right:
            raise ValueError("its unknowns belong to other objects than the rows")
        _check_entries(of_objects, quantity, name)
        entry[name] = of_objects
    for name in OF_LINKS:  # by links, of which a file has none; the unknown itself is found by name
        if name in quantity:
            entry[name] = np.flatnonzero(np.array(quantity) == name)
    return JointPosterior(entry, matrix, quantity, label, x, _read_draws(draws, size))


def _check_entries(entry: IntArray, quantity: Sequence[str], name: str) -> None:
    if entry.size and not (entry.min() >= -1 and entry.max() < len(quantity)):
        raise ValueError("an object's unknown is none of those that there are")
    # A layer and an object of one group share an unknown, which is the object's.
    kinds = {quantity[i].removeprefix("layer_") for i in np.unique(entry[entry >= 0]).tolist()}
    if kinds - {name.removeprefix("layer_")}:
        raise ValueError("an object's unknown is of another kind")


def _read_draws(draws: Any, size: int) -> WeightedDraws | None:
    if draws is None:
        return None
    x, weight = array_from_plain(draws["x"]), array_from_plain(draws["weight"])
    mode = array_from_plain(draws["mode"])
    count = len(x)
    if x.shape != (count, size) or weight.shape != (count,) or mode.shape != (count,) or not count:
        raise ValueError("its draws are not as many as their weights")
    if weight.min() < 0.0 or abs(weight.sum() - 1.0) > 1e-6 or np.abs(x).max() > 1e4:
        raise ValueError("its draws have impossible weights or values")
    return WeightedDraws(x, weight, mode.astype(np.int64), int(draws["evaluations"]))


def _origin(document: Any, joint: JointPosterior, num_objects: int) -> Origin:
    scene, prior = document["scene"], document["prior"]
    objects = tuple(ObjectKey(*_words(pair)) for pair in scene["objects"])
    if len(objects) != num_objects:
        raise ValueError("its scene has other objects than the rows")
    # A text here would be the name of a file to open.
    if not isinstance(document["noise"].get("clutter_area"), (dict, type(None))):
        raise ValueError("its area of clutter is no polygon")
    noise = built(Noise, document["noise"])
    if document["loss"] not in get_args(LinkLoss) or isinstance(noise.db, np.ndarray):
        raise ValueError("its noise is none that a file holds")
    assumed = Assumptions(
        radio=built(RadioConfig, document["radio"]),
        prior=_prior(prior, num_objects),
        parameters=built(Parameters, document["parameters"]),
        noise=noise,
        loss=document["loss"],
    )
    scale = document["noise_scale"]
    scale = np.nan if isinstance(scale, dict) else float(scale)
    if scale < 0.0 or scale > 1e6:
        raise ValueError("its noise scale is impossible")
    name, key, campaign = _words([scene["name"], scene["key"], document["campaign_key"]])
    offsets = _offsets(document["offsets"], joint)
    devices = _devices(document.get("devices"), joint)
    return Origin(name, key, campaign, objects, assumed, scale, offsets, devices)


def _prior(document: Any, num_objects: int) -> Prior | MaterialPrior:
    if document["kind"] == "Prior":
        return built(Prior, document["fields"])
    found = built(MaterialPrior, document["fields"])
    numbers = (found.c, found.d, found.confidence, found.width)
    words = (found.names, found.materials, found.sources)
    lengths = {len(each) for each in (*numbers, *words)}
    plain = all(isinstance(each, np.ndarray) and each.ndim == 1 for each in numbers)
    if lengths != {num_objects} or not plain or not all(map(_words, words)):
        raise ValueError("its prior is not of the objects of the rows")
    return found


def _offsets(document: Any, joint: JointPosterior) -> KnownOffsets | None:
    if document is None:
        return None
    found = built(KnownOffsets, document)
    place, entry = found.place, found.entry
    if not (isinstance(place, np.ndarray) and isinstance(entry, np.ndarray)):
        raise ValueError("its offsets are none")
    if place.shape != (len(place), 3) or entry.shape != (len(place),) or not len(place):
        raise ValueError("its offsets have no places")
    if found.by not in get_args(OffsetsBy) or not found.width_db > 0.0 or entry.min() < 0:
        raise ValueError("its offsets are impossible")
    _check_entries(entry.astype(np.int64), joint.quantity, "gain")
    return replace(found, entry=entry.astype(np.int64))


def _devices(document: Any, joint: JointPosterior) -> KnownDevices | None:
    if document is None:
        return None
    found = built(KnownDevices, document)
    count = len(_words(found.quantity))
    if not (isinstance(found.place, np.ndarray) and isinstance(found.entry, np.ndarray)):
        raise ValueError("its devices are none")
    entry = found.entry.astype(np.int64)
    if len(_words(found.name)) != count or found.place.shape != (count, 3):
        raise ValueError("its devices have other names or places than unknowns")
    if entry.shape != (count,) or not ((entry >= 0) & (entry < len(joint.quantity))).all():
        raise ValueError("a device's unknown is none of those that there are")
    if [joint.quantity[i] for i in entry.tolist()] != list(found.quantity):
        raise ValueError("a device's unknown is of another kind")
    return replace(found, entry=entry)


def _words(values: Any) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, str) for v in values):
        raise ValueError("a name in its posterior is no text")
    return tuple(values)


def _shaped(plain: Any, shape: tuple[int, ...], name: str) -> FloatArray:
    array = array_from_plain(plain)
    if array.shape != shape:
        raise ValueError(f"{name} of its posterior has another size than there are unknowns")
    return array.astype(np.float64)
