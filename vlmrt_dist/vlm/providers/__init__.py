"""Transports to Gemini, OpenAI-compatible servers and recordings; their keys, and the cache."""
