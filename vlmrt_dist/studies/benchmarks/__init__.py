"""Benchmarks: time by engine, objects, links and actors; cities; other engines."""
