"""Which propagation paths exist: Sionna's path solver, exact image geometry, path tables and
their files.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
