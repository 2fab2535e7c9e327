"""Bytes and rows that last: atomic files, places (folder or object storage), checksummed
Parquet, the ledger of rows and their keys.
"""
