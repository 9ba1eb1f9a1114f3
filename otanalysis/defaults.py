"""Numbers and names that several rooms share, each with its source; importing it loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

__all__ = [
    "BASELINES",
    "BLIND",
    "COMPARED_METHODS",
    "DEFAULT_GAMMAS",
    "FULL",
    "MAJORITY",
    "NO_IMAGE",
    "PAPER_GAMMA",
    "RATIOS",
    "RELEASED_GAMMA",
    "GammaOf",
    "method_by_gamma",
]

RELEASED_GAMMA = 0.01
r"""Factor :math:`\gamma` that the released code of OTPrune (arXiv:2602.20205) fixes: the default here."""

PAPER_GAMMA = 0.01
r"""The paper's own :math:`\gamma` (equation 7) by default: the same number in another unit."""

GammaOf = Literal["released", "paper"]
"""Whose gamma a number is: the factor in the released code's kernel, or the paper's of equation 7."""

DEFAULT_GAMMAS: Mapping[str, float] = MappingProxyType(
    {"otprune": RELEASED_GAMMA, "otprune-paper": PAPER_GAMMA}
)
"""The methods that have a gamma, and what it is by default: each in the unit of the method.

Of otprune it is the factor in the released code's kernel, of otprune-paper the paper's; see
:func:`~otanalysis.surrogate.kernel.paper_factor`. A test holds it to what the registry of methods says.
"""

RATIOS = (0.05, 0.098, 0.15, 0.2)
"""Shares of the tokens that the paper keeps in its Figures 3 and 4: 29, 56, 86 and 115 of LLaVA-1.5's 576."""

COMPARED_METHODS = (
    *("otprune", "otprune-paper", "divprune", "dpp", "random", "first", "last", "uniform"),
    *("kmedoids", "ot-medoids"),
)
"""The methods that studies and figures compare unless told otherwise: the paper's, controls, and two medoids.

Those of the README's tables. A method that is added to the registry does not join them: it would move ranks,
verdicts and the pools that subsets are drawn from. Ask for it by name.
"""

FULL = "full"
"""Method name of all tokens: nothing is dropped."""

MAJORITY = "majority"
"""Method name of the commonest answer, given to every question: no model is asked."""

NO_IMAGE = "no-image"
"""Method name of the model that is asked the same question without any token of the picture."""

BLIND = (MAJORITY, NO_IMAGE)
"""Method names of scores that see nothing of the picture: no share of the tokens belongs to them."""

BASELINES = (FULL, *BLIND)
"""Method names of scores that those of kept tokens are compared with, and that keep none themselves."""


def method_by_gamma(method: str, gamma_of: str) -> str:
    """Return the name under which a method stands in tables: that of otprune says whose gamma it takes.

    >>> [method_by_gamma("otprune", gamma_of) for gamma_of in ("released", "paper")]
    ['otprune', 'otprune-paper']
    """
    return "otprune-paper" if (method, gamma_of) == ("otprune", "paper") else method
