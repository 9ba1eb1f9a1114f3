"""When are the numbers of two routes the same? By bits, or up to the rounding of their type."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def rounding_of(dtype: torch.dtype) -> float:
    r"""Return how large rounding may make a difference, as a share of the largest number.

    :math:`\sqrt\epsilon`, half the digits of the type: 3.5e-4 in float32, 0.031 in float16, 0.088 in
    bfloat16. Products of other shapes round otherwise, layer upon layer; a token in a wrong place changes
    logits by their own size.
    """
    import torch

    return sqrt(torch.finfo(dtype).eps)


def multiplied_in(model: Any, dtype: torch.dtype) -> torch.dtype:
    """Return the type in which a model multiplies, where that is coarser than the type of what it returns.

    Parameters
    ----------
    model
        A Hugging Face model.
    dtype : torch.dtype
        The type of what it returns.

    Notes
    -----
    With weights in 8 bits bitsandbytes casts every input to float16; with 4 bits it multiplies in a type that
    each layer names (``compute_dtype``).
    """
    import torch

    types = {getattr(module, "compute_dtype", None) for module in model.modules()}
    if getattr(model, "is_loaded_in_8bit", False):
        types.add(torch.float16)
    found = [dtype, *(one for one in types if isinstance(one, torch.dtype))]
    return max(found, key=lambda one: torch.finfo(one).eps)


def difference(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the largest difference of two tensors as a share of the largest number that is wanted.

    Returns
    -------
    float
        Infinite where shapes differ, or one has no number where the other has one.

    Examples
    --------
    >>> import torch
    >>> difference(torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]))
    0.25
    >>> difference(torch.zeros(2), torch.zeros(3))
    inf
    """
    import torch

    if got.shape != wanted.shape:
        return float("inf")
    if got.numel() == 0:
        return 0.0
    got, wanted = got.double(), wanted.to(got.device).double()
    if torch.equal(got.nan_to_num(nan=-1.0), wanted.nan_to_num(nan=-1.0)):
        return 0.0
    apart, largest = float((got - wanted).abs().max()), float(wanted.abs().max())
    if apart != apart or largest != largest:
        return float("inf")
    return apart / largest if largest else float("inf")
