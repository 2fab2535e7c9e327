"""How the functions of the path search are compiled: by Numba, once, kept on disk.

Importing this module imports Numba (about a second); modules that hold compiled functions are
therefore imported where paths are searched, never by ``import vlmrt_dist``.
"""

from __future__ import annotations

import numba

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
"""Decorator of compiled functions. They release the GIL, so that threads run side by side, and
keep IEEE arithmetic in the order written, so that results have the same bits everywhere."""
