"""Checkpoints of what is finished, each with its checksum and the versions that it was made with."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from otanalysis.files import make_folder, write_atomic

LIST_NAME = "checkpoints.json"
"""File beside the checkpoints with the SHA-256 of each and the versions of the libraries that made it."""

_NUMERIC = ("torch", "transformers", "numpy", "scikit-learn")


def read_checkpoint(path: Path, *, say: bool = True) -> bytes | None:
    """Return the bytes of a checkpoint, or None if it is not there or is damaged.

    With ``say``, it is told on stderr that it is damaged, or was made with other versions than those of now.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    listed = _listed(path.parent).get(path.name, {})
    if listed.get("sha256") != hashlib.sha256(data).hexdigest():
        if say:
            print(f"The checkpoint {path} is damaged: it is made again.", file=sys.stderr)
        return None
    now = _versions()
    moved = {name: was for name, was in listed["versions"].items() if was != now.get(name)}
    if moved and say:
        words = ", ".join(f"{name} {was} (now {now.get(name)})" for name, was in moved.items())
        print(f"The checkpoint {path} was made with {words}; remove it to make it again.", file=sys.stderr)
    return data


def write_checkpoint(path: Path, data: bytes) -> None:
    """Write a checkpoint, and then its line in the list: one without it is not used."""
    make_folder(path.parent)
    write_atomic(path, data)
    line = {"sha256": hashlib.sha256(data).hexdigest(), "versions": _versions()}
    listed = _listed(path.parent) | {path.name: line}
    write_atomic(path.parent / LIST_NAME, (json.dumps(listed, indent=1) + "\n").encode())


def _listed(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / LIST_NAME).read_bytes())
        return {
            name: {"sha256": one["sha256"], "versions": dict(one["versions"])}
            for name, one in content.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _NUMERIC}
