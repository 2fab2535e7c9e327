"""Materials beyond the frequencies that ITU-R P.2040 tabulates them at, for studies of carriers."""

from __future__ import annotations

from vlmrt_dist.scene.itu import is_tabulated, nearest_row
from vlmrt_dist.scene.model import SceneModel


def continued(scene: SceneModel, frequency: float) -> SceneModel:
    """A copy whose materials have explicit values where they are not tabulated at the carrier.

    σ = c f^d and ε_r = a f^b of the row whose range is nearest are taken at the carrier itself,
    which the recommendation does not vouch for. Objects with layers or explicit values stay.

    :param frequency: carrier [Hz]
    """
    lacking = {
        item.name: nearest_row(item.material, frequency)
        for item in scene.objects
        if item.layered is None
        and (item.conductivity is None or item.relative_permittivity is None)
        and not is_tabulated(item.material, frequency)
    }
    f_ghz = frequency / 1e9
    return scene.with_materials(
        conductivity={name: row.c * f_ghz**row.d for name, row in lacking.items()},
        relative_permittivity={name: row.a * f_ghz**row.b for name, row in lacking.items()},
    )
