"""From paths and materials to received levels with derivatives: Fresnel coefficients, replay,
retrace, simulation.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
