"""How a task wants answers decoded, in the words of ``generate``, and where an answer ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otanalysis.errors import InputError

__all__ = ["Decoding", "cut_at_stops"]

_SAMPLING = ("temperature", "top_p", "top_k")
_PASSED = (
    "num_beams",
    "length_penalty",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "min_new_tokens",
    "max_new_tokens",
)


@dataclass(frozen=True)
class Decoding:
    """A task's generation settings.

    Attributes
    ----------
    stops : tuple of str
        Strings at the first of which an answer ends.
    arguments : Mapping
        Keyword arguments for ``generate``.
    ignored : tuple of str
        Settings that mean nothing to ``generate``, such as ``image_aspect_ratio``.
    """

    stops: tuple[str, ...]
    arguments: Mapping[str, Any]
    ignored: tuple[str, ...]

    @classmethod
    def of_task(cls, settings: Mapping[str, Any], *, max_new_tokens: int) -> Decoding:
        """Read the ``generation_kwargs`` of a task of lmms-eval.

        Parameters
        ----------
        settings : Mapping
            As the harness hands them on. Answers are sampled where the temperature is above 0, unless
            ``do_sample`` says no; else they are decoded greedily, or by beams.
        max_new_tokens : int
            Longest answer where the task sets none.

        Raises
        ------
        InputError
            ``until`` is neither a string nor strings.

        Examples
        --------
        >>> task = {"until": ["ASSISTANT:"], "temperature": 0, "top_p": 1.0, "image_aspect_ratio": "original"}
        >>> decoding = Decoding.of_task(task, max_new_tokens=16)
        >>> decoding.arguments, decoding.stops, decoding.ignored
        ({'max_new_tokens': 16, 'do_sample': False}, ('ASSISTANT:',), ('image_aspect_ratio',))
        """
        until = settings.get("until") or ()
        stops = (until,) if isinstance(until, str) else tuple(until)
        if not all(isinstance(stop, str) for stop in stops):
            raise InputError(f"The task's until must be a string or a list of strings; got {until!r}.")
        temperature = settings.get("temperature")
        wanted = settings.get("do_sample", temperature is not None)
        sampled = bool(wanted) and temperature != 0
        passed = (*_PASSED, *_SAMPLING) if sampled else _PASSED
        arguments = {name: settings[name] for name in passed if settings.get(name) is not None}
        known = {*_PASSED, *_SAMPLING, "until", "do_sample"}
        return cls(
            stops=tuple(stop for stop in stops if stop),
            arguments={"max_new_tokens": max_new_tokens, **arguments, "do_sample": sampled},
            ignored=tuple(sorted(set(settings) - known)),
        )


def cut_at_stops(text: str, stops: Sequence[str]) -> str:
    r"""Return an answer up to the first of the stop strings, without outer blanks.

    Leading blanks go first: models begin answers with line breaks, and an empty line is the usual stop.

    >>> cut_at_stops("\n\n4 digits\n\nUSER: and", ["\n\n", "USER:"])
    '4 digits'
    """
    text = text.strip()
    for stop in stops:
        text = text.split(stop, 1)[0]
    return text.strip()
