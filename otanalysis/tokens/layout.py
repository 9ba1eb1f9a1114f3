"""How the files of a dump are called, and what the entries of its manifest must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from otanalysis.scalars import shown
from otanalysis.side import is_side_name

DTYPES = ("float16", "float32")
"""Types of stored tensors."""

RESERVED_ID = "__metadata__"
"""The safetensors format keeps this tensor name for itself."""


BESIDE = {"thumbnails": "thumbnail", "weights": "weights", "side": "side"}
"""Files beside those of the tokens, one array a sample that has one: the manifest's entry, and a sample's."""

LARGEST = 2**63 - 1
"""Of whole numbers, as readers in other languages know them."""


@dataclass(frozen=True)
class _Kind:
    """What an entry must be, in words, and the test of it; ``may_lack`` where it may be left out."""

    wanted: str
    fits: Callable[[Any], bool]
    may_lack: bool = False


def is_grid(value: object) -> bool:
    """Tell whether a value of JSON is a grid: null, or the numbers of rows and columns."""
    if value is None:
        return True
    return isinstance(value, list | tuple) and len(value) == 2 and all(_whole(1)(side) for side in value)


def _whole(least: int | None = None) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and (-LARGEST if least is None else least) <= value <= LARGEST


def _known_of_sample(value: object) -> bool:
    return isinstance(value, Mapping) and is_grid(value.get("grid"))


def _are_side_names(value: object) -> bool:
    if not isinstance(value, list | tuple) or not all(map(is_side_name, value)):
        return False
    return 0 < len(value) == len(set(value))


def is_text(value: object) -> bool:
    """Tell whether a value is a text that a file can hold, without halves of characters (surrogates)."""
    try:
        return isinstance(value, str) and isinstance(value.encode(), bytes)
    except UnicodeEncodeError:
        return False


_TEXT = _Kind("a text", is_text)
_OBJECT = _Kind("an object", lambda value: isinstance(value, Mapping))
_LIST = _Kind("a list of objects", lambda value: isinstance(value, list) and all(map(_OBJECT.fits, value)))
_ANY_NUMBER = _Kind("a whole number", _whole())
_INDEX = _Kind("a whole number from 0", _whole(0))
_COUNT = _Kind("a whole number from 1", _whole(1))
_GRID_WANTED = "null or [rows, columns], whole numbers from 1"
_HEX = re.compile("[0-9a-f]{64}")

_MANIFEST = {
    "model": _TEXT,
    "revision": _TEXT,
    "layer": _ANY_NUMBER,
    "select_strategy": _TEXT,
    "processor": _OBJECT,
    "benchmark": _TEXT,
    "grid": _Kind(_GRID_WANTED, is_grid),
    "dtype": _Kind(" or ".join(DTYPES), lambda value: value in DTYPES),
    "shard_size": _COUNT,
    "samples": _LIST,
    "shards": _LIST,
    **{kind: _Kind(_LIST.wanted, _LIST.fits, may_lack=True) for kind in BESIDE},
    "extra": _OBJECT,
    "writer_version": _TEXT,
    "schema_version": _COUNT,
}
_SAMPLE = {
    "id": _Kind(
        f"a text, not empty and not {RESERVED_ID!r}",
        lambda value: is_text(value) and value not in ("", RESERVED_ID),
    ),
    "shard": _INDEX,
    "m": _COUNT,
    "d": _COUNT,
    "extra": _Kind(f"an object, in which grid, if it is there, is {_GRID_WANTED}", _known_of_sample),
    **{
        name: _Kind(
            "null or a whole number from 0", lambda value: value is None or _whole(0)(value), may_lack=True
        )
        for name in BESIDE.values()
    },
    "side_names": _Kind("a list of distinct plain names, at least one", _are_side_names, may_lack=True),
}
_FILE = {
    "file": _TEXT,
    "size": _INDEX,
    "sha256": _Kind(
        "64 hexadecimal digits", lambda value: isinstance(value, str) and bool(_HEX.fullmatch(value))
    ),
}


def file_name(kind: str, number: int, count: int | None = None) -> str:
    """Return the name of a file of a dump: in a finished one, or in one that is being written.

    Parameters
    ----------
    kind : str
        ``"tokens"``, ``"thumbnails"``, ``"weights"`` or ``"side"``.
    number : int
        Place of the file among those of its kind, from 0.
    count : int, optional
        How many there are of the kind, known once the dump is finished.

    Examples
    --------
    >>> file_name("tokens", 0, 3), file_name("thumbnails", 1)
    ('tokens-00001-of-00003.safetensors', 'thumbnails-00002.partial.safetensors')
    """
    end = ".partial" if count is None else f"-of-{count:05d}"
    return f"{kind}-{number + 1:05d}{end}.safetensors"


def first_problem(content: Mapping[str, Any], *, finished: bool) -> str | None:
    """Return what is wrong with the content of a manifest, in words, or None.

    Every entry has its type and lies in its range, ids are distinct, samples point to files that are listed,
    and files have the plain names that a writer gives them, so that none lies outside the dump.

    Parameters
    ----------
    content : Mapping
        Values of JSON, by entry. Entries of other names are not looked at.
    finished : bool
        Whether the dump is finished, and its files have their final names.
    """
    return next(_problems(content, finished=finished), None)


def _problems(content: Mapping[str, Any], *, finished: bool) -> Iterator[str]:
    yield from _misfits(content, _MANIFEST, "")
    files = {kind: content.get(kind, ()) for kind in ("shards", *BESIDE)}
    for kind, entries in files.items():
        for number, entry in enumerate(entries):
            yield from _misfits(entry, _FILE, f"{kind}[{number}]", closed=True)
            name = file_name(
                "tokens" if kind == "shards" else kind, number, len(entries) if finished else None
            )
            if entry["file"] != name:
                yield f"{kind}[{number}].file must be {name!r}, got {shown(entry['file'])}"
    if finished and not content["samples"]:
        yield "samples must not be empty"
    seen: set[str] = set()
    for number, entry in enumerate(content["samples"]):
        yield from _misfits(entry, _SAMPLE, f"samples[{number}]", closed=True)
        name = entry["id"]
        if name in seen:
            yield f"the sample id {name!r} is listed more than once"
        seen.add(name)
        if entry["shard"] >= len(files["shards"]):
            yield f"the sample {name!r} points to shard {entry['shard']}, which is not listed"
        for kind, part in BESIDE.items():
            place = entry.get(part)
            if place is not None and place >= len(files[kind]):
                yield f"the sample {name!r} points to {kind} {place}, which are not listed"
        if (entry.get("side") is None) != ("side_names" not in entry):
            yield f"the sample {name!r} must have both side and side_names, or neither"


def _misfits(
    entry: Mapping[str, Any], kinds: Mapping[str, _Kind], where: str, *, closed: bool = False
) -> Iterator[str]:
    for name, kind in kinds.items():
        place = f"{where}.{name}" if where else name
        if name not in entry:
            if not kind.may_lack:
                yield f"{place} is missing"
        elif not kind.fits(entry[name]):
            yield f"{place} must be {kind.wanted}, got {shown(entry[name])}"
    if closed and (unknown := sorted(entry.keys() - kinds.keys())):
        yield f"{where} has the unknown entry {unknown[0]!r}"
