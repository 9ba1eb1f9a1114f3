"""Greedy MAP inference of a determinantal point process on cosine similarities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from otanalysis.arrays import Array, IntArray
from otanalysis.image import Image
from otanalysis.selection import single_logdet
from otanalysis.selection.selector import GreedySelector
from otanalysis.surrogate import cosine_kernel, one_launch
from otanalysis.surrogate.logdet import greedy_picks, logdet_value


@dataclass(frozen=True)
class GreedyDPP(GreedySelector):
    r"""Greedy MAP of the determinantal point process whose kernel are the cosine similarities.

    The first pick is the first token that is not zero, since all of them tie. The kernel is singular: beyond
    its rank every determinant vanishes. From there on gains are minus infinity and the picks start a new
    greedy run over the tokens left (:func:`~otanalysis.surrogate.logdet.greedy_logdet`). Gains are increments
    of the log-determinant, never positive.
    """

    name: ClassVar[str] = "dpp"
    objective: ClassVar[str] = "diversity: largest log-determinant of the cosine similarities"

    def matrix(self, image: Image) -> Array:
        """Return the cosine similarities [m, m]."""
        return cosine_kernel(image)

    def matrices(self, clouds: Array) -> tuple[Array, Array]:
        """Return the cosine similarities of images on a GPU."""
        return one_launch.cosine_kernels(clouds)

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Maximise the log-determinant greedily."""
        if one_launch.runs_here(matrices):
            return one_launch.greedy_logdet(matrices, keep, floor=0.0)
        return greedy_picks(matrices, keep, floor=0.0)

    def at_once(self, image: Image, keep: int) -> tuple[Array, Array] | None:
        """Return picks and gains [keep] with a float32 product, where it decides."""
        return single_logdet.cosines(image, keep)

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the log-determinant of the kept similarities; minus infinity if it vanishes."""
        return logdet_value(self.matrix(image), kept)
