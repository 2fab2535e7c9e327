"""Rules on names and geometry that answer without a model, a key or a network."""
