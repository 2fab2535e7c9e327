"""The prompts, versioned by file name, and what they are told of a scene."""
