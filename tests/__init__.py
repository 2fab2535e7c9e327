"""Tests, in folders that mirror the packages."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The project's folder."""
