"""Measurement files: reading CSV and Parquet line by line, refusing bad lines by number,
writing.
"""
