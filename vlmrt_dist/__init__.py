"""Material calibration of radio scenes from received signal strengths.

Give it a scene whose geometry is known and the signal strengths received in it; it returns the
conductivity of every object with an honest uncertainty::

    import vlmrt_dist as vd

    room = vd.box_room()
    campaign = vd.place("d_optimal", room, num_setups=3, num_receivers=8, seed=0)
    campaign = vd.simulate(room, campaign, noise_db=0.1, seed=1)
    print(vd.estimate(room, campaign))
"""

try:
    import lazy_loader as lazy
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "this Python has no lazy_loader, so it is not the one that vlmrt_dist was installed for: "
        "run .venv/bin/python, or activate the environment; on a Ray cluster start head and "
        "workers with cluster/start.sh, which does that",
        name=error.name,
    ) from None

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
