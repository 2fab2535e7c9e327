"""The interactive 3D page of a scene: objects, antennas, links and paths."""
