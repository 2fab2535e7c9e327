"""Bytes and rows that last: atomic files, places (folder or object storage), checksummed
Parquet, the ledger of rows and their keys.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
