"""Methods that want kept tokens to differ: the largest sum of distances, and unlike the longest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from array_api_compat import array_namespace

from otanalysis.arrays import Array, IntArray
from otanalysis.image import Image
from otanalysis.scalars import check_integer
from otanalysis.selection.greedy import of_each_image, pick_greedily
from otanalysis.selection.selector import GreedySelector, Selector
from otanalysis.selection.sizes import distances_between, lengths


@dataclass(frozen=True)
class MaxSum(GreedySelector):
    r"""Keep the token of the largest sum of distances to those kept, again and again.

    Greedy maximum of :math:`\sum_{c, c' \in C} \lVert v_c - v_{c'} \rVert`. arXiv:2509.00320 maximises the
    expected distance of two kept tokens in the embedding space greedily; that it is the Euclidean one, and
    that the first pick has the largest sum of distances to all tokens, is this package's reading. Kept tokens
    may be alike: two groups far apart have a large sum.

    Ties go to the lowest index. The gain of a pick is the sum of its distances to those before it, that of
    the first zero. Weights of the tokens are not used.
    """

    name: ClassVar[str] = "max-sum"
    objective: ClassVar[str] = "diversity: largest mean distance between two kept tokens"

    def matrix(self, image: Image) -> Array:
        """Return the distances [m, m]."""
        return distances_between(image)

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Pick what is far from all those picked together."""
        xp = array_namespace(matrices)
        order, gains = pick_greedily(
            matrices,
            keep,
            of_each_image(lambda one: xp.sum(one, axis=1), matrices),
            gain=lambda sums, _: sums,
            absorb=lambda sums, rows, step: rows if step == 0 else sums + rows,
        )
        gains[:, 0] = 0.0
        return order, gains

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the mean distance of a kept token to a kept one, itself among them: unit of the tokens."""
        return float(np.mean(self.matrix(image)[np.ix_(kept, kept)]))


@dataclass(frozen=True)
class DART(Selector):
    r"""Keep the longest tokens as pivots, and with each those that are least like it.

    DART (arXiv:2502.11494) on the tokens after the projector. The ``pivots`` longest tokens are kept; the
    places left are shared out among them, by one more for the first ones where they do not divide. The
    longest then takes its share, the tokens of the smallest cosine similarity to it, then the next of what is
    left, and so on.

    The released code works within the language model: pivots there are image and text tokens of the largest
    L1 norm of their keys in an early layer, four of each, and likeness is that of the hidden states.
    Euclidean lengths of the tokens themselves, and no pivots of the text, are what tokens alone allow.

    Ties go to the lowest index. One place more takes nothing away: the pivot that gets it may take what a
    later one had, which then takes its next, until a token is free; tokens are picked in the order in which
    they enter so. Weights of the tokens are not used, and no function of the kept set is optimised.

    Parameters
    ----------
    pivots : int
        Number of pivots, at least 1; all kept tokens are pivots where no more are kept.

    Raises
    ------
    InputError
        If ``pivots`` is no positive integer.
    """

    pivots: int = 4

    name: ClassVar[str] = "dart"
    nested: ClassVar[bool] = True
    objective: ClassVar[str] = "diversity: least like the longest tokens"

    def __post_init__(self) -> None:
        count = check_integer(self.pivots, "pivots", wanted="an integer from 1 on", low=1)
        object.__setattr__(self, "pivots", count)

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> IntArray:
        """Return the pivots, and behind them what enters with every further place [keep]."""
        longest = np.argsort(-lengths(image), kind="stable")[: min(self.pivots, keep)]
        unit = image.on_host.normalised("rows").tokens
        wishes = [iter(row) for row in np.argsort(unit[longest] @ unit.T, axis=1, kind="stable").tolist()]
        order = longest.tolist()
        owners: dict[int, int] = dict.fromkeys(order, -1)  # before all pivots: none takes a pivot
        for place in range(keep - len(longest)):
            seeker: int | None = place % len(longest)
            while seeker is not None:
                token = next(one for one in wishes[seeker] if owners.get(one, len(longest)) > seeker)
                owners[token], seeker = seeker, owners.get(token)
            order.append(token)
        return np.array(order)
