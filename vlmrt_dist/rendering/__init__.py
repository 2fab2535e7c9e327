"""Pictures of scenes: rendered views, photographs, and from where a scene is looked at."""
