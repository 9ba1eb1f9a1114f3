"""The manifest of a dump: what was captured, from which model, and which shard holds which sample."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from otanalysis.errors import DumpError
from otanalysis.tokens.layout import BESIDE, first_problem

SCHEMA_VERSION = 1
"""Version of the layout on disk; it grows when a reader of the older layout would misread the newer one."""

MANIFEST_NAME = "manifest.json"
"""Exists only in a finished dump."""

PARTIAL_MANIFEST_NAME = "manifest.partial.json"
"""The same content while the dump is being written; a dump with this file alone is not finished."""

_DIGEST = "digest"  # last in the file: the fingerprint of all else
_CURE = "restore it, or write the dump again"
_PROGRESS_FIELDS = ("samples", "shards", *BESIDE, "writer_version")
_LATER_FIELDS = tuple(BESIDE)
"""Absent from the file where they are empty: older dumps are read, and keep their fingerprint."""


@dataclass(frozen=True)
class SampleEntry:
    """Where one sample lies.

    Attributes
    ----------
    id : str
        Name of the sample, unique in the dump; also the name of its tensor in the shard.
    shard : int
        Index of its shard in :attr:`Manifest.shards`.
    m, d : int
        Shape of its ``[m, d]`` tensor: tokens, features.
    extra : Mapping
        What is known of this sample alone, for instance ``{"grid": [24, 24]}`` or an image's path.
    thumbnail : int or None
        Index of the file in :attr:`Manifest.thumbnails` that holds its small picture, if there is one.
    weights : int or None
        Index of the file in :attr:`Manifest.weights` that holds the weights of its tokens, if there are any.
    side : int or None
        Index of the file in :attr:`Manifest.side` that holds its side information, if there is any.
    side_names : tuple of str
        Names of its side information, in the order of the rows in the file.
    """

    id: str
    shard: int
    m: int
    d: int
    extra: Mapping[str, Any] = field(default_factory=dict)
    thumbnail: int | None = None
    weights: int | None = None
    side: int | None = None
    side_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShardEntry:
    """One file of a dump: its name, its size in bytes and its SHA-256 in hexadecimal digits."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a dump holds and where it came from; see :func:`~otanalysis.tokens.open_dump`.

    Attributes
    ----------
    model, revision : str
        Name of the model and its revision (a commit, a version or a checksum of its weights).
    layer : int
        The vision layer whose states feed the projector (``vision_feature_layer``, often -1 or -2).
    select_strategy : str
        ``"default"`` (the class token is dropped) or ``"full"``.
    processor : Mapping
        Settings of the processor that made the pixels.
    benchmark : str
        The benchmark that the samples come from.
    grid : tuple of int or None
        ``(rows, columns)`` of patches shared by all samples; ``None`` if they differ or there is no grid.
    dtype : str
        ``"float16"`` or ``"float32"``, of every stored tensor.
    shard_size : int
        Samples a shard (the last one may hold fewer).
    samples : tuple of SampleEntry
        In the order in which they were written.
    shards : tuple of ShardEntry
        In order.
    thumbnails : tuple of ShardEntry
        The files with small pictures, in order; empty if there are none.
    weights : tuple of ShardEntry
        The files with weights of tokens, in order; empty if there are none.
    side : tuple of ShardEntry
        The files with side information of tokens, in order; empty if there are none.
    extra : Mapping
        Whatever else should be known, JSON values.
    writer_version : str
        Version of otanalysis that wrote it.
    schema_version : int
        Version of the layout on disk.
    sealed : bool
        Whether the file carries a digest of its content, as all do but those of version 0.1.0.
    """

    model: str
    revision: str
    layer: int
    select_strategy: str
    processor: Mapping[str, Any]
    benchmark: str
    grid: tuple[int, int] | None
    dtype: str
    shard_size: int
    samples: tuple[SampleEntry, ...] = ()
    shards: tuple[ShardEntry, ...] = ()
    thumbnails: tuple[ShardEntry, ...] = ()
    weights: tuple[ShardEntry, ...] = ()
    side: tuple[ShardEntry, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    writer_version: str = ""
    schema_version: int = SCHEMA_VERSION
    sealed: bool = field(default=True, compare=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content in canonical form; it covers every byte through the shards' checksums.

        The form is JSON with sorted names, without spaces and with all but ASCII escaped.
        """
        return _digest(self.content())

    @property
    def common_side(self) -> frozenset[str]:
        """Names of the side information that every sample has."""
        names = [frozenset(entry.side_names) for entry in self.samples]
        return frozenset.intersection(*names) if names else frozenset()

    def settings(self) -> dict[str, Any]:
        """Return everything that must agree for a writer to go on with an unfinished dump, as JSON values."""
        content = json.loads(json.dumps(self.content()))
        return {name: value for name, value in content.items() if name not in _PROGRESS_FIELDS}

    def to_json(self) -> bytes:
        """Return the text of the file: indented JSON, the digest last if there is one."""
        return _as_text(self.content() | ({_DIGEST: self.fingerprint} if self.sealed else {}))

    def content(self) -> dict[str, Any]:
        """Return the entries of the file without the digest, as JSON values."""
        content = {name: getattr(self, name) for name in _FIELDS}
        for name in ("samples", "shards", *BESIDE):
            content[name] = [dict(vars(entry)) for entry in content[name]]
        for entry in content["samples"]:
            for name in BESIDE.values():
                if entry[name] is None:
                    del entry[name]
            if not entry["side_names"]:
                del entry["side_names"]
        return {name: value for name, value in content.items() if value or name not in _LATER_FIELDS}

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest file.

        Raises
        ------
        DumpError
            The file is missing, is not JSON, has a newer schema version, has entries that no writer writes,
            or does not match its digest.
        """
        content = read_json(path)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if type(version) is not int or version != SCHEMA_VERSION:
            raise DumpError(
                f"The manifest {path} has schema version {version!r}, this otanalysis reads "
                f"{SCHEMA_VERSION}; write the dump again or install the matching version."
            )
        digest = content.pop(_DIGEST, None)
        _check(content, digest, path)
        values = {name: content[name] for name in _FIELDS if name not in _LATER_FIELDS}
        values["samples"] = tuple(
            SampleEntry(**{**entry, "side_names": tuple(entry.get("side_names", ()))})
            for entry in content["samples"]
        )
        for name in ("shards", *BESIDE):
            values[name] = tuple(ShardEntry(**entry) for entry in content.get(name, ()))
        values["grid"] = None if content["grid"] is None else tuple(content["grid"])
        return cls(**values, sealed=digest is not None)


_FIELDS = tuple(item.name for item in fields(Manifest) if item.name != "sealed")


def is_as_written(path: Path) -> bool:
    """Tell whether the file of a manifest, which was read before, has the very bytes that a writer writes.

    The digest covers what a manifest says; this finds changes that say the same, of blanks for instance.

    Raises
    ------
    DumpError
        The file is missing or is not JSON.
    """
    content = read_json(path)
    return path.read_bytes() == _as_text(content)


def read_json(path: Path) -> Any:
    """Return what a manifest file says, not checked.

    Raises
    ------
    DumpError
        The file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except OSError as error:
        raise DumpError(f"Cannot read the manifest {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DumpError(f"The manifest {path} is not valid JSON ({error}); {_CURE}.") from error


def _check(content: dict[str, Any], digest: object, path: Path) -> None:
    if missing := [name for name in _FIELDS if name not in content and name not in _LATER_FIELDS]:
        raise DumpError(f"The manifest {path} lacks {', '.join(missing)}; {_CURE}.")
    if digest is None and (unknown := sorted(content.keys() - set(_FIELDS))):
        # Without a digest it is of version 0.1.0, which knew no other; newer ones are covered by theirs.
        raise DumpError(f"The manifest {path} has the unknown entry {unknown[0]!r}; {_CURE}.")
    if problem := first_problem(content, finished=path.name == MANIFEST_NAME):
        raise DumpError(f"The manifest {path} has a malformed entry: {problem}; {_CURE}.")
    try:
        found = _digest(content)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # 1e999 is read as infinite; half a character is no text
        raise DumpError(f"The manifest {path} has a malformed entry: {error}; {_CURE}.") from error
    if digest is not None and digest != found:
        raise DumpError(f"The manifest {path} does not match its digest: its content was changed; {_CURE}.")


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _as_text(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
