"""Which visual tokens of the images of a batch are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from otanalysis.arrays import Array, resolve_keep
from otanalysis.defaults import FULL
from otanalysis.image import Image
from otanalysis.selection import Selection, Selector, StackSelector, select_batch
from otanalysis.selection.selector import needs_of
from otanalysis.vlm.layout import Box, ImageTokens, PatchView

if TYPE_CHECKING:
    import torch

_MANY = 2**31


@dataclass(frozen=True, eq=False)
class KeptImage:
    """What was kept of one image; see :class:`~otanalysis.vlm.pruned.Pruned`.

    Attributes
    ----------
    prompt, number : int
        Row of the batch, and which image of that prompt.
    m : int
        Number of visual tokens, newline rows not counted.
    indices : torch.Tensor, shape ``[keep]``, int64
        Kept tokens, ascending, among the ``m``.
    stays : torch.Tensor, shape ``[n]``, bool
        Which rows of the image went to the language model, newline rows among them.
    rows : torch.Tensor, shape ``[rows]``, int64
        The same rows by number, ascending.
    method : str
        Name of the method, ``"full"`` where nothing was dropped.
    selection : Selection or None
        The selection with pick order and gains; None where nothing was dropped.
    views : tuple of PatchView
        Grids of the patches.
    boxes : list of Box or None
        Where each of the ``m`` patches lies in the picture, where that is known.
    """

    prompt: int
    number: int
    m: int
    indices: torch.Tensor
    stays: torch.Tensor
    rows: torch.Tensor
    method: str
    selection: Selection | None
    views: tuple[PatchView, ...]
    boxes: list[Box] | None

    @property
    def keep(self) -> int:
        """Number of kept tokens."""
        return len(self.indices)

    @property
    def dropped(self) -> bool:
        """Whether any row was dropped."""
        return self.keep < self.m

    def __str__(self) -> str:
        """Say how many tokens were kept, and by what."""
        return (
            f"prompt {self.prompt}, image {self.number}: {self.keep} of {self.m} tokens kept by {self.method}"
        )


class TokenChooser:
    """A selector, applied to the images of one batch after the other.

    Parameters
    ----------
    selector : Selector or None
        None keeps all tokens.
    ratio, keep, seed
        As for :class:`~otanalysis.vlm.pruned.Pruned`.
    keep_newlines : bool
        Whether rows that are no patches stay when patches are dropped.

    Raises
    ------
    InputError
        A number is out of range.
    """

    def __init__(
        self,
        selector: Selector | None,
        *,
        ratio: float | None,
        keep: int | None,
        seed: int,
        keep_newlines: bool,
    ) -> None:
        if selector is not None:
            resolve_keep(_MANY, ratio=ratio, keep=keep)
        self._selector, self._ratio, self._keep = selector, ratio, keep
        self._seed, self._keep_newlines = seed, keep_newlines
        self._drawn = 0

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the attention that the images must bring."""
        return needs_of(self._selector)

    def choose(self, images: Sequence[ImageTokens]) -> list[KeptImage]:
        """Choose tokens of every image; images with equal numbers of tokens are chosen from together."""
        counts = [self._count(len(image.patches)) for image in images]
        pruned = [place for place, image in enumerate(images) if counts[place] < len(image.patches)]
        chosen = dict(zip(pruned, self._select([images[place] for place in pruned]), strict=True))
        return [self._kept(image, chosen.get(place)) for place, image in enumerate(images)]

    def _count(self, m: int) -> int:
        if self._selector is None:
            return m
        if self._keep is not None:
            return min(self._keep, m)
        return resolve_keep(m, ratio=self._ratio)

    def _select(self, images: Sequence[ImageTokens]) -> list[Selection]:
        if self._selector is None or not images:
            return []
        states = [np.random.SeedSequence((self._seed, self._drawn + place)) for place in range(len(images))]
        self._drawn += len(images)
        return select_batch(
            [self._cloud(image) for image in images],
            self._selector,
            ratio=self._ratio,
            keep=self._keep,
            seeds=[int(state.generate_state(1)[0]) for state in states],
        )

    def _cloud(self, image: ImageTokens) -> Array | Image:
        """Return the tokens of an image, with its grid and attention for a method that takes these."""
        tokens = image.tokens.detach()
        # Methods that take many images at once run on the model's device, on plain tokens.
        plain = not self.needs and isinstance(self._selector, StackSelector)
        return tokens if plain else Image(tokens, grid=image.grid, side=image.side)

    def _kept(self, image: ImageTokens, selection: Selection | None) -> KeptImage:
        import torch

        indices = torch.arange(len(image.patches), device=image.features.device)
        if selection is not None:
            indices = torch.as_tensor(selection.indices, device=indices.device)
        keep_newlines = selection is None or self._keep_newlines
        stays, rows = rows_with(image, indices, keep_newlines=keep_newlines)
        return KeptImage(
            prompt=image.prompt,
            number=image.number,
            m=len(image.patches),
            indices=indices,
            stays=stays,
            rows=rows,
            method=FULL if selection is None else selection.method,
            selection=selection,
            views=image.views,
            boxes=image.boxes,
        )


def rows_with(
    image: ImageTokens, indices: torch.Tensor, *, keep_newlines: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which rows of an image go to the language model where some of its patches are kept.

    Parameters
    ----------
    image
        The image.
    indices
        Kept patches [k], int64, among the ``m``.
    keep_newlines
        Whether rows that are no patches stay.

    Returns
    -------
    stays : torch.Tensor, shape ``[n]``, bool
    rows : torch.Tensor, shape ``[rows]``, int64
        The same by number, ascending.
    """
    import torch

    stays = torch.full((len(image.features),), keep_newlines, device=image.features.device)
    stays.index_fill_(0, image.patches, False).index_fill_(0, image.patches[indices], True)
    beside = len(stays) - len(image.patches) if keep_newlines else 0
    # A mask would have to be counted, and the host would wait for it; a stable sort keeps the order.
    rows = (~stays).byte().argsort(stable=True)[: len(indices) + beside]
    return stays, rows
