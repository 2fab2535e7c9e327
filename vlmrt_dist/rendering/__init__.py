"""Pictures of scenes: rendered views, photographs, and from where a scene is looked at."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
