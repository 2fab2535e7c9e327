"""Searches over configurations with Optuna or Ray Tune: space, definition, sampler, runners."""
