"""Notice of campaigns with diffuse reflection in scenes whose surfaces scatter nothing."""

from __future__ import annotations

import warnings

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.scene import SceneModel


class NothingScatters(UserWarning):
    """Diffuse reflection is asked for, and no surface of the scene scatters."""


def warn_if_nothing_scatters(scene: SceneModel, radio: RadioConfig) -> None:
    """Warn with :class:`NothingScatters` where the known scattering coefficients are all zero."""
    if radio.diffuse_reflection and not scene.scattering_coefficient.any():
        warnings.warn(
            "diffuse reflection is asked for, but no surface scatters: scattering_coefficient is "
            "0 for every object, so that all levels are those of smooth surfaces. State "
            "coefficients in the scene file, by scene.with_materials(scattering_coefficient=...), "
            "or let them be unknown (--unknown scattering_coefficient)",
            NothingScatters,
            stacklevel=3,
        )
