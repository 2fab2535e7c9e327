"""Tables and figures of single sweeps, from rows and timings."""
