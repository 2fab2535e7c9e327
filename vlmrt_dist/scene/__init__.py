"""Geometry and materials of a place as values: scene, objects, priors on materials, the ITU-R
P.2040 table, the paper's room.
"""
