"""From paths and materials to received levels with derivatives: Fresnel coefficients, replay,
retrace, simulation.
"""
