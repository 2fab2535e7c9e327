"""From measured levels to a posterior: problem, optimizers, prior, likelihood, intervals,
verdicts.
"""
