"""Numbers and names that several rooms share, each with its source; importing it loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DEFAULT_GAMMAS", "FULL", "PAPER_GAMMA", "RATIOS", "RELEASED_GAMMA"]

RELEASED_GAMMA = 0.01
r"""Factor :math:`\gamma` that the released code of OTPrune (arXiv:2602.20205) fixes: the default here."""

PAPER_GAMMA = 0.01
r"""The paper's own :math:`\gamma` (equation 7) by default: the same number in another unit."""

DEFAULT_GAMMAS: Mapping[str, float] = MappingProxyType(
    {"otprune": RELEASED_GAMMA, "otprune-paper": PAPER_GAMMA}
)
"""The methods that have a gamma, and what it is by default: each in the unit of the method.

Of otprune it is the factor in the released code's kernel, of otprune-paper the paper's; see
:func:`~otanalysis.surrogate.kernel.paper_factor`. A test holds it to what the registry of methods says.
"""

RATIOS = (0.05, 0.098, 0.15, 0.2)
"""Shares of the tokens that the paper keeps: 29, 56, 86 and 115 of LLaVA-1.5's 576."""

FULL = "full"
"""Method name of all tokens: nothing is dropped."""
