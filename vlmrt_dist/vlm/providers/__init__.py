"""Services that answer questions: Gemini, OpenAI-compatible servers, recordings; keys,
transport, budget, cache.
"""
