"""The machine behind Dr.Jit: GPU or libLLVM, chosen before Dr.Jit is imported, and its versions."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
