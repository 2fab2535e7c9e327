"""From measured levels to a posterior: problem, optimizers, prior, likelihood, intervals,
verdicts.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
