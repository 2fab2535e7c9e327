"""Ray: joining a cluster, the actors that hold scenes and evaluate setups, pools, metrics."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
