"""Where torch computes."""

from __future__ import annotations

from torch import nn

from otanalysis.errors import InputError


def move(model: nn.Module, device: str) -> None:
    """Move a model to a device, such as ``"cuda"``.

    Raises
    ------
    InputError
        If torch cannot use it.
    """
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"A device that torch can use was wanted, got {device!r} ({reason}); try cpu."
        ) from error
