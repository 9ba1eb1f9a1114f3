"""Many questions in a row behind one picture: each sees the picture and itself, none sees another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

UNASKED: Final = -100
"""Target of a position whose next word is not asked for, as torch's cross-entropy ignores it."""

Asked = tuple[Sequence[int], Sequence[int]]
"""Numbers of the words of a question, and of its answer with the mark at its end."""


@dataclass(frozen=True)
class Packed:
    """Questions in a row, padded over the batch; each of shape ``[b, l]``, int64.

    Attributes
    ----------
    ids
        Words of the questions and answers; the last one of an answer is only a target.
    groups
        Which question a word belongs to, from 1 on; 0 is padding.
    offsets
        Place of a word in its question.
    targets
        The word that follows where it belongs to an answer, else :data:`UNASKED`.
    """

    ids: Tensor
    groups: Tensor
    offsets: Tensor
    targets: Tensor


def pack(rows: Sequence[Sequence[Asked]], device: torch.device) -> Packed:
    """Put the questions of each picture in a row.

    Parameters
    ----------
    rows
        The questions of every picture of the batch.
    device
        Where the result lies.

    Examples
    --------
    >>> packed = pack([[([7, 8], [5, 2]), ([9], [2])], [([7], [2])]], torch.device("cpu"))
    >>> packed.ids.tolist(), packed.groups.tolist()
    ([[7, 8, 5, 9], [7, 0, 0, 0]], [[1, 1, 1, 2], [1, 0, 0, 0]])
    >>> packed.offsets.tolist(), packed.targets.tolist()
    ([[0, 1, 2, 0], [0, 0, 0, 0]], [[-100, 5, 2, 2], [2, -100, -100, -100]])
    """
    packed = []
    for row in rows:
        words: list[tuple[int, int, int, int]] = []
        for group, (question, answer) in enumerate(row, start=1):
            read = [*question, *answer[:-1]]
            wanted = [UNASKED] * (len(question) - 1) + list(answer)
            words.extend(zip(read, [group] * len(read), range(len(read)), wanted, strict=True))
        packed.append(words)
    length = max(map(len, packed))
    padded = [words + [(0, 0, 0, UNASKED)] * (length - len(words)) for words in packed]
    ids, groups, offsets, targets = torch.tensor(padded, device=device).unbind(-1)[:4]
    return Packed(ids, groups, offsets, targets)


def packed_logits(
    language: Callable[..., Any],
    words: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
    *,
    first: Sequence[int],
    visual: Tensor,
    places: Tensor,
    packed: Packed,
) -> tuple[Tensor, Tensor]:
    """Run a language model on packed questions, each as if it stood alone behind its picture.

    Parameters
    ----------
    language
        The model without its head: takes ``inputs_embeds``, ``attention_mask``, ``position_ids`` and
        ``use_cache`` as those of transformers do.
    words
        From numbers of words to their vectors ``[..., d]``.
    head
        From hidden states ``[n, d]`` to logits ``[n, v]``.
    first
        Words before the picture.
    visual
        ``[b, k, d]``: the tokens of every picture, after the projector.
    places
        ``[b, k]``: their positions; the words before have those from 0 on, questions those that follow.
    packed
        The questions.

    Returns
    -------
    tuple of Tensor
        Logits ``[n, v]`` at the positions that have a target, and those targets ``[n]``.
    """
    batch, count = visual.shape[:2]
    device, before = visual.device, len(first)
    start = words(torch.tensor(first, device=device).expand(batch, -1))
    hidden = torch.cat([start, visual, words(packed.ids)], dim=1)
    length = hidden.shape[1]
    group = torch.cat([packed.groups.new_zeros(batch, before + count), packed.groups], dim=1)
    same = group[:, :, None] == group[:, None, :]
    image = (torch.arange(length, device=device) < before + count)[None, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    allowed = causal & (image | same)
    front = torch.arange(before, device=device).expand(batch, -1)
    positions = torch.cat([front, places, places[:, -1:] + 1 + packed.offsets], dim=1)
    output = language(
        inputs_embeds=hidden, attention_mask=allowed[:, None], position_ids=positions, use_cache=False
    ).last_hidden_state
    wanted = packed.targets != UNASKED
    return head(output[:, before + count :][wanted]), packed.targets[wanted]
