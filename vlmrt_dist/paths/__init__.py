"""Which propagation paths exist: exact search, Sionna's path solver, image geometry, path tables
and their files.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
