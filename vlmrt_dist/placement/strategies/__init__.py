"""Strategies that turn a scene into a planned campaign, one file each."""
