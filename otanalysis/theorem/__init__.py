"""Numeric checks of the theorem, each with a control that it must reject; certified where python-flint is.

May import errors, reporting, tokens, transport and surrogate.
"""
