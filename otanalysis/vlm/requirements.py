"""What a model needs to run: torch, and a transformers whose models take the tokens that they are handed."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from otanalysis.errors import MissingDependencyError

OLDEST_TRANSFORMERS: Final = (5, 18)
"""The first version whose models take visual tokens that were encoded before (``mm_encoder_outputs``)."""


def require_transformers() -> None:
    """Refuse to go on without torch, or with a transformers that is missing or too old.

    Versions before 5.18 take the kept tokens of :class:`~otanalysis.vlm.pruned.Pruned` for an argument of
    somebody else and pass over them; before 5.0 models and processors are built otherwise altogether.

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
        oldest = ".".join(map(str, OLDEST_TRANSFORMERS))
        raise MissingDependencyError(
            f"Running a model needs transformers {oldest} or newer, but {transformers.__version__} is "
            f"installed: pip install 'transformers>={oldest}'"
        )


@cache
def is_new_enough(version: str) -> bool:
    """Tell whether a version of transformers is at least :data:`OLDEST_TRANSFORMERS`.

    A version before a release (``5.18.0.dev0``) counts as that release: what its models take is seen by
    :mod:`otanalysis.vlm.handover` anyway.

    >>> [is_new_enough(version) for version in ("4.57.6", "5.17.0", "5.18.0", "5.18.0.dev0", "5.100", "6.0")]
    [False, False, True, True, True, True]
    """
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    return tuple(numbers) >= OLDEST_TRANSFORMERS
