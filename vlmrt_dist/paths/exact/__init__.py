"""Exact search: every specular path of a scene, by images, compiled with Numba."""
