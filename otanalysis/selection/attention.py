"""The tokens that get most attention in the image encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.image import Image
from otanalysis.selection.by_side import BySide
from otanalysis.side import CLS_ATTENTION


@dataclass(frozen=True)
class ByAttention(BySide):
    r"""Keep the tokens with the largest attention: :math:`\arg\max_{|C| = k} \sum_{j \in C} a_j`.

    With the class token's attention these are the tokens that FasterVLM (arXiv:2412.01818) keeps, and the
    dominant tokens of VisionZip (arXiv:2412.04467), which merges the others into a few more. Ties go to the
    first token. Gains are the attention of the picks; the tokens themselves decide nothing.

    Attributes
    ----------
    by : str
        Name of the side information: ``"cls_attention"``, ``"received_attention"`` for encoders without a
        class token, or any other.

    Raises
    ------
    InputError
        If ``by`` is no name.
    """

    by: str = CLS_ATTENTION

    method: ClassVar[str] = "attention"
    usual: ClassVar[str] = CLS_ATTENTION
    nested: ClassVar[bool] = True

    def pick(
        self, image: Image, keep: int, generator: np.random.Generator | None
    ) -> tuple[IntArray, FloatArray]:
        """Return the positions [keep], the one with the most attention first, and their attention."""
        attention = image.side[self.by]
        order = np.argsort(-attention, kind="stable")[:keep]
        return order, attention[order]
