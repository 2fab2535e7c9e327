"""Scene files: reading untrusted XML and meshes against allow-lists, and writing scenes that
Sionna opens.
"""
