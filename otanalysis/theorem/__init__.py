"""Numeric checks of the theorem, each with a control that it must reject; certified where python-flint is.

:func:`build_claims` and :func:`build_certified_claims` list what is claimed, :func:`run_claim` checks it, and
:func:`tabulate` writes a set function out over all subsets, for a look by hand. May import errors, files,
arrays, image, tokens, transport and surrogate.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
