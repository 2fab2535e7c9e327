"""Origin of an estimate: scene, measurement, assumptions, and whose offsets it found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.console import listed
from vlmrt_dist.errors import SceneError
from vlmrt_dist.inference.devices import OF_DEVICES
from vlmrt_dist.inference.parameters import Unknowns
from vlmrt_dist.inference.problem import Assumptions, Problem
from vlmrt_dist.scene import SceneModel

SAME_PLACE = 0.01
"""Two antennas nearer to each other than this [m] are one; files round coordinates."""

OffsetsBy = Literal["transmitter", "receiver", "campaign"]
"""The links that share an offset of levels: those of a transmitter, of a receiver, or all."""


class ObjectKey(NamedTuple):
    """Content hashes of an object.

    :param geometry: of its mesh
    :param material: of its class, numbers, layers and extra loss
    """

    geometry: str
    material: str


@dataclass(frozen=True, eq=False)
class KnownOffsets:
    """Whose levels have which of the offsets that an estimation found.

    :param by: what an offset goes with; "campaign": all levels share one
    :param place: [P, 3] transmitters, or receivers [m]; of "campaign" one line of zeros
    :param entry: [P] the unknown that is the offset there
    :param width_db: prior standard deviation of an offset [dB]; infinite for none
    """

    by: OffsetsBy
    place: FloatArray
    entry: IntArray
    width_db: float


@dataclass(frozen=True, eq=False)
class KnownDevices:
    """Devices of which an estimation found orientations, positions or powers; a row each.

    :param quantity: [D] which, of :data:`~vlmrt_dist.inference.devices.OF_DEVICES`
    :param name: [D] of the device's antenna; empty where it has none
    :param place: [D, 3] where the device is stated to stand [m]
    :param entry: [D] the unknown
    """

    quantity: tuple[str, ...]
    name: tuple[str, ...]
    place: FloatArray
    entry: IntArray

    def entry_of(self, quantity: str, name: str, place: FloatArray) -> int:
        """The unknown of a device, by its name, or its place where it has none; -1: not known."""
        for q, own, at, entry in zip(
            self.quantity, self.name, self.place, self.entry.tolist(), strict=True
        ):
            here = own == name if name or own else bool(np.abs(at - place).max() <= SAME_PLACE)
            if q == quantity and here:
                return int(entry)
        return -1


@dataclass(frozen=True, eq=False)
class Origin:
    """Scene, measurement and assumptions of an estimate.

    :param scene: name of the scene
    :param scene_key: content hash of its geometry and materials
    :param campaign_key: content hash of the measurement
    :param objects: [K] content hashes of its objects
    :param assumed: radio, prior, parameters and noise; the noise as one number for all links [dB],
        the clutter as it was found
    :param noise_scale: factor by which the residuals exceed the noise (1: they do not; NaN: too few
        links to say)
    :param offsets: of the levels; None: there were none
    :param devices: of which something was unknown; None: there were none
    """

    scene: str
    scene_key: str
    campaign_key: str
    objects: tuple[ObjectKey, ...]
    assumed: Assumptions
    noise_scale: float
    offsets: KnownOffsets | None = None
    devices: KnownDevices | None = None

    @property
    def radio(self) -> RadioConfig:
        """Radio configuration of the estimation."""
        return self.assumed.radio

    def check(self, scene: SceneModel, names: Sequence[str]) -> None:
        """Refuse another scene than the one of the estimate.

        :param scene: with the same objects, in any order
        :param names: [K] of the estimate
        :raises SceneError: naming the objects that differ
        """
        if scene.key == self.scene_key:
            return
        here = object_keys(scene)
        of = dict(zip(names, self.objects, strict=True))
        parts = []
        for what in ("geometry", "material"):
            names = [
                name for name, one in zip(scene.names, here, strict=True)
                if getattr(one, what) != getattr(of[name], what)
            ]  # fmt: skip
            if names:
                parts.append(f"the {what} of {listed(names)}")
        if not parts:
            return  # the order, or what the objects are called
        raise SceneError(
            f"this is not the scene that the estimate was made for ({self.scene!r}): "
            f"{' and '.join(parts)} differ{'' if len(parts) > 1 else 's'}; give that scene, with "
            "the materials from before the calibration, or estimate again"
        )


def object_keys(scene: SceneModel) -> tuple[ObjectKey, ...]:
    """Content hashes of the objects of a scene."""
    found = []
    for item in scene.objects:
        mesh = hashlib.sha256(repr((item.vertices.shape, item.faces.shape)).encode())
        mesh.update((item.vertices + 0.0).astype("<f8").tobytes())
        mesh.update(item.faces.astype("<i4").tobytes())
        layers = None if item.layered is None else item.layered.layers
        numbers = (item.thickness, item.relative_permittivity, item.conductivity, layers)
        loss = (item.extra_loss_db,) if item.extra_loss_db else ()
        material = hashlib.sha256(repr((item.material, numbers, *loss)).encode())
        found.append(ObjectKey(mesh.hexdigest()[:16], material.hexdigest()[:16]))
    return tuple(found)


def origin_of(scene: SceneModel, problem: Problem, noise_scale: float) -> Origin:
    """The origin of a problem's solution."""
    campaign, assumed = problem.campaign, problem.assumed
    declared = campaign.noise_db if assumed.noise.db is None else assumed.noise.db
    used = problem.data.used[: problem.num_levels].reshape(campaign.present.shape)
    used = used if used.any() else campaign.present
    level = np.broadcast_to(np.asarray(declared, np.float64), used.shape)[used]
    clutter = None if problem.clutter is None else problem.clutter.value
    noise = replace(assumed.noise, db=float(np.median(level)), clutter_db_per_sqrt_m=clutter)
    return Origin(
        scene=scene.name,
        scene_key=scene.key,
        campaign_key=campaign.key,
        objects=object_keys(scene),
        assumed=replace(assumed, noise=noise),
        noise_scale=noise_scale,
        offsets=_offsets_of(campaign, assumed, problem.unknowns),
        devices=_devices_of(campaign, problem.unknowns),
    )


def device_of(campaign: Campaign, unknowns: Unknowns, index: int) -> tuple[str, FloatArray]:
    """Name (empty where there is none) and stated place [3] of the device of an unknown."""
    quantity = unknowns.quantity[index]
    link = int(np.flatnonzero(unknowns.entry[quantity] == index)[0])
    m, n = divmod(link, campaign.num_receivers)
    receives = quantity.startswith("rx")
    place = campaign.rx[m, n] if receives else campaign.tx[m]
    if campaign.antennas is None:
        return "", place
    kind = campaign.antennas.rx[m, n] if receives else campaign.antennas.tx[m]
    return campaign.antennas.kinds[int(kind)].name, place


def _devices_of(campaign: Campaign, unknowns: Unknowns) -> KnownDevices | None:
    which = [i for i, q in enumerate(unknowns.quantity) if q in OF_DEVICES]
    if not which:
        return None
    found = [device_of(campaign, unknowns, i) for i in which]
    return KnownDevices(
        tuple(unknowns.quantity[i] for i in which),
        tuple(name for name, _ in found),
        np.array([place for _, place in found]),
        np.array(which),
    )


def _offsets_of(
    campaign: Campaign, assumed: Assumptions, unknowns: Unknowns
) -> KnownOffsets | None:
    width, shared = assumed.noise.gain_offset_db, assumed.noise.gain_shared
    if width is None or "gain" not in unknowns.entry:
        return None
    entry = unknowns.entry["gain"].reshape(campaign.present.shape)
    there = campaign.present
    if shared == "campaign":
        return KnownOffsets("campaign", np.zeros((1, 3)), entry[there][:1], float(width))
    if shared == "receiver":
        which, first = np.unique(entry[there], return_index=True)
        return KnownOffsets("receiver", campaign.rx[there][first], which, float(width))
    first = there.argmax(axis=1)
    of_setup = entry[np.arange(len(entry)), first]
    return KnownOffsets("transmitter", campaign.tx, of_setup, float(width))
