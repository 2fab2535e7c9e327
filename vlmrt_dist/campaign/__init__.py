"""What was or will be measured, and where: setups, campaigns, carriers, the radio configuration."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
