"""Geometry and materials of a place as values: scene, objects, priors on materials, the ITU-R
P.2040 table, the paper's room.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
