"""Where to measure: candidate positions, strategies, predictions, and the closed loop of
measuring and planning.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
