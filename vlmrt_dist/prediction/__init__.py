"""Predicted levels at new positions, and how far off they are where somebody has measured."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
