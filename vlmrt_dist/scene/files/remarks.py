"""Remarks of a reader of scene files for its user, one sentence a kind."""

from __future__ import annotations

import warnings

from vlmrt_dist.errors import MaterialError

MAX_NAMED = 8

SENTENCES = {
    "empty": ("object", "{have} no polygon and {are} left out"),
    "axis": (
        "object",
        "{have} a rotation about an axis that is not of length 1; as in Sionna, that deforms too",
    ),
    "scattering": (
        "material",
        "{have} a scattering_coefficient, which acts only where diffuse reflection is asked for "
        "(--diffuse-reflection, RadioConfig(diffuse_reflection=True)); elsewhere specular "
        "reflections keep their full amplitude (--scattering refuse, scattering='refuse' of "
        "load_scene, makes this an error)",
    ),
    "relative_permittivity": (
        "material",
        "{have} no relative_permittivity; as in Sionna, it is taken as 1",
    ),
    "conductivity": (
        "material",
        "{have} no conductivity; as in Sionna, it is taken as 0 S/m, and an estimation holds it "
        "fixed; to estimate it, give an ITU class: --material NAME=CLASS",
    ),
    "dropped": (
        "material",
        "{follow} the ITU table, as in Sionna, because of an id that begins with itu_ or the type "
        "itu-radio-material; the numbers in the file are dropped, but for the thickness",
    ),
    "absorber": ("material", "{absorb} all power, which is not modelled"),
}
"""Kind -> what it is said of, and what is said."""


class SceneFileWarning(UserWarning):
    """A scene file holds what is read in another way than it may be meant."""


class Remarks:
    """Collects names by kind, and tells each kind once."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def add(self, kind: str, name: str) -> None:
        """Note that a sentence of :data:`SENTENCES`, or "refused scattering", holds for a name."""
        self._names.setdefault(kind, {})[name] = None

    def tell(self) -> None:
        """Warn with :class:`SceneFileWarning` of each kind.

        :raises MaterialError: if scattering is refused
        """
        refused = self._names.pop("refused scattering", None)
        if refused:
            raise MaterialError(
                f"material {_listed(refused)} scatters (scattering_coefficient is not 0), which "
                "was not to be; --scattering ignore (scattering='ignore' of load_scene) keeps the "
                "coefficient, which acts with --diffuse-reflection only"
            )
        for kind, names in self._names.items():
            noun, sentence = SENTENCES[kind]
            many = len(names) > 1
            verbs = {
                "have": "have" if many else "has",
                "are": "are" if many else "is",
                "absorb": "absorb" if many else "absorbs",
                "follow": "follow" if many else "follows",
            }
            text = f"{noun}{'s' * many} {_listed(names)} {sentence.format(**verbs)}"
            warnings.warn(text, SceneFileWarning, stacklevel=3)


def _listed(names: dict[str, None]) -> str:
    shown = [repr(name[:60]) for name in list(names)[:MAX_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
