"""Rules on names and geometry, which need no model, key or network."""
