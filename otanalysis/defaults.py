"""Numbers and names that several rooms share, each with its source; importing it loads nothing."""

from __future__ import annotations

__all__ = ["FULL", "RATIOS", "RELEASED_GAMMA"]

RELEASED_GAMMA = 0.01
r"""Factor :math:`\gamma` that the released code of OTPrune (arXiv:2602.20205) fixes: the default here."""

RATIOS = (0.05, 0.098, 0.15, 0.2)
"""Shares of the tokens that the paper keeps: 29, 56, 86 and 115 of LLaVA-1.5's 576."""

FULL = "full"
"""Method name of all tokens: nothing is dropped."""
