"""Which propagation paths exist: Sionna's path solver, exact image geometry, path tables and
their files.
"""
