"""For files that are run as programs, as their first import: Ctrl-C during the others, which take a
second, ends them with a word instead of a traceback.

Imported by a module that is not the program itself, it does nothing.
"""

import sys

from vlmrt_dist.signals import end_imports_at_once

_frame = sys._getframe(1)
while "importlib" in _frame.f_code.co_filename and _frame.f_back is not None:
    _frame = _frame.f_back
if _frame.f_globals.get("__name__") == "__main__":
    end_imports_at_once()
