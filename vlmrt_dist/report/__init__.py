"""Rows to tables, claims, figures and pages."""
