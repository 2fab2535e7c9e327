"""Many estimations: points, seeds, true values, runs on actors, options of sweeps."""
