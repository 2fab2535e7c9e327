"""Advisors that propose materials and positions: vision-language models and offline rules, their
prompts, and the checks of their answers.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
