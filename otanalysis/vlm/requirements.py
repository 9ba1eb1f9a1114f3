"""What a model needs to run: torch, and a transformers whose models take the tokens that they are handed."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from otanalysis.errors import InputError, MissingDependencyError

OLDEST_TRANSFORMERS: Final = "5.19"
"""The first version that hands visual tokens that were encoded before to every beam in the right order."""
TRIED_TRANSFORMERS: Final = "5.23"
"""The version that everything was tried with: that of the pins in ``constraints.txt``."""


def require_transformers() -> None:
    """Refuse to go on without torch, or with a transformers that is missing or too old.

    Versions before 5.18 take the kept tokens of :class:`~otanalysis.vlm.pruned.Pruned` for an argument of
    somebody else and pass over them; 5.18 gives the first of two beams the first of two pictures (or tiles)
    twice, and the second beam the second; before 5.0 models and processors are built otherwise altogether.

    Raises
    ------
    MissingDependencyError
        In one sentence: what is missing or too old, and the command that installs it.
    """
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            f"Running a model needs torch and transformers ({error.name} is not installed): "
            "pip install 'otanalysis[vlm]'"
        ) from error
    if not is_new_enough(transformers.__version__):
        raise MissingDependencyError(
            f"Running a model needs transformers {OLDEST_TRANSFORMERS} or newer, but "
            f"{transformers.__version__} is installed: pip install 'transformers>={OLDEST_TRANSFORMERS}'"
        )


def require_uncompiled(model: Any) -> None:
    """Refuse a model whose whole call is compiled, so that its kept tokens would be compiled with it.

    Parameters
    ----------
    model
        A Hugging Face image-text model.

    Raises
    ------
    InputError
        It is what ``torch.compile`` returned, or was compiled in place; the message says what can be.
    """
    if hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None:
        raise InputError(
            "A model was wanted whose call is not compiled, got torch.compile(model) or model.compile(): "
            "compile its own code alone, model.forward = torch.compile(model.forward)."
        )


@cache
def is_new_enough(version: str) -> bool:
    """Tell whether a version of transformers is at least :data:`OLDEST_TRANSFORMERS`.

    A version before a release (``5.19.0.dev0``) counts as that release: what its models take is seen by
    :mod:`otanalysis.vlm.handover` anyway.

    >>> [is_new_enough(version) for version in ("4.57.6", "5.18.0", "5.19.0", "5.19.0.dev0", "5.100", "6.0")]
    [False, False, True, True, True, True]
    """
    return _major_minor(version) >= _major_minor(OLDEST_TRANSFORMERS)


def _major_minor(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
