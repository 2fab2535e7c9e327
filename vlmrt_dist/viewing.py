"""The 3D page of a scene, for the values that offer it as a method.

The room that draws it lies above theirs. It is looked up by name when it is asked for, as a plug-in
is, so that scenes and estimates need not know it.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, Protocol


class Page(Protocol):
    """An interactive page, which a notebook shows.

    :param html: the document
    """

    @property
    def html(self) -> str:
        """The document."""
        ...

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write it as ``.html``."""
        ...


def open_view(*values: Any, **options: Any) -> Page:
    """:func:`vlmrt_dist.report.view` of a scene, a campaign and an estimate."""
    page: Page = importlib.import_module("vlmrt_dist.report").view(*values, **options)
    return page
