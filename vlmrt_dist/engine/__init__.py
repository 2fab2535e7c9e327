"""The device that Dr.Jit computes on (GPU, or CPU by libLLVM), chosen before it is imported."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
