"""The machine behind Dr.Jit: GPU or libLLVM, chosen before Dr.Jit is imported, and its
versions.
"""
