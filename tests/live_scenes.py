"""Scene files as plain Sionna opens them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.scene import SceneModel

NUMBERS = ("conductivity", "relative_permittivity", "thickness", "scattering_coefficient")


def opened(path: Path, *, merge_shapes: bool = False) -> Any:
    """The live scene of a file."""
    from vlmrt_dist.paths import dr  # noqa: F401 - sets Mitsuba's variant

    import sionna.rt as rt  # isort: skip

    return rt.load_scene(str(path), merge_shapes=merge_shapes)


def numbers_of(scene: Any, frequency: float) -> dict[str, FloatArray]:
    """:data:`NUMBERS` of each object of a live scene at a frequency [Hz]."""
    scene.frequency = frequency
    return {
        name: np.array([getattr(item.radio_material, field)[0] for field in NUMBERS])
        for name, item in scene.objects.items()
    }


def expected_numbers(model: SceneModel, frequency: float) -> dict[str, FloatArray]:
    """The same of a scene model, rounded to single precision as Sionna does."""
    columns = (
        model.conductivity(frequency),
        model.relative_permittivity(frequency),
        model.thickness,
        np.array([item.scattering_coefficient for item in model.objects]),
    )
    rows = np.stack(columns, axis=1).astype(np.float32).astype(np.float64)
    return dict(zip(model.names, rows, strict=True))
