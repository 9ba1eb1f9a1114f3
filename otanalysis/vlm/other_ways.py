"""Other ways to see pictures than by tokens in the prompt, found by the parts of a model."""

from __future__ import annotations

from typing import Any, Final

_MARKS: Final = {
    "cross-attention": ("cross_attn", "cross_attention", "crossattention"),
    "a resampler": ("resampler", "perceiver", "qformer"),
}
"""What the names of the parts have in common, by way."""


def other_ways(model: Any) -> str:
    """Name the ways in which a model sees pictures besides tokens, each with a part that shows it.

    Parameters
    ----------
    model
        A Hugging Face model.

    Returns
    -------
    str
        Empty where no part tells.

    Notes
    -----
    A part inside a part that tells is not told of: what a resampler attends to is its own affair.

    Examples
    --------
    >>> import torch
    >>> class Reader(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.cross_attn = torch.nn.Linear(2, 2)
    >>> other_ways(Reader())
    'cross-attention (cross_attn)'
    """
    seen: dict[str, str] = {}
    outermost: list[str] = []
    for name, _ in model.named_modules():
        last = name.rpartition(".")[2]
        way = next((way for way, marks in _MARKS.items() if any(mark in last for mark in marks)), None)
        if way is None or name.startswith(tuple(f"{one}." for one in outermost)):
            continue
        outermost.append(name)
        seen.setdefault(way, name)
    return " and ".join(f"{way} ({name})" for way, name in seen.items())
