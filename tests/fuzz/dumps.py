"""Damaged dumps: small ones, made and damaged in seeded ways, and everything that reads them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from otanalysis.errors import OtAnalysisError
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from otanalysis.tokens.layout import BESIDE

SETTINGS: dict[str, Any] = {
    "model": "tiny",
    "benchmark": "noise",
    "revision": "abc",
    "layer": -2,
    "grid": (2, 3),
    "shard_size": 2,
    "processor": {"size": [6, 4], "mean": 0.5},
    "extra": {"seed": 7},
}
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 3, 10**30, 0.5, -0.0, float("nan"), float("inf"), "", "x", "bloat16",
    "\ud800", "../victim.safetensors", "/etc/passwd", "a" * 5000, "float16\0", [], [[]], {}, {"grid": [0, 3]},
    [1, 2], [2.0, 3], ["x"], [None] * 3, {"id": "a"},
)  # fmt: skip
"""What stands in a manifest in place of a value."""


def write_dump(folder: Path, *, finish: bool = True, go_on: bool = False) -> Path:
    """Write a dump of three samples in two files, with all that lies beside; or the first file alone."""
    if go_on and (folder / "manifest.json").exists():
        return folder
    generator = np.random.default_rng(0)
    with closing(DumpWriter(folder, **SETTINGS)) as writer:
        for name in "abc":
            picture = generator.integers(0, 256, (4, 6, 3), dtype=np.uint8)
            tokens = generator.standard_normal((6, 4))
            side = {"cls_attention": generator.random(6), "x": generator.standard_normal(6)}
            if name not in writer:
                writer.add(name, tokens, extra={"n": 1}, thumbnail=picture, side=side)
        if finish:
            writer.finish()
    return folder


def read_dump(folder: Path) -> None:
    """Read all of a dump in every way: its samples and thumbnails, its check, and going on with it."""
    for work in (_read_samples, verify_dump, _go_on):
        try:
            work(folder)
        except OtAnalysisError:
            continue


def _read_samples(folder: Path) -> None:
    for sample in open_dump(folder):
        assert sample.tokens.dtype == np.float32
        _ = sample.thumbnail, sample.grid
        assert all(values.shape == (len(sample.tokens),) for values in sample.side.values())


def _go_on(folder: Path) -> None:
    with DumpWriter(folder, **SETTINGS) as writer:
        if "c" not in writer:
            writer.add("c", np.ones((6, 4)))


def damage_dump(rng: np.random.Generator, folder: Path, *, forge: bool = True) -> str:
    """Damage a dump in one of many ways; return which, in words.

    Parameters
    ----------
    rng : Generator
        Decides what is done.
    folder : Path
        Of the dump, finished or not.
    forge : bool
        Also where checksums are made to fit what was changed, and with files that are no files. Without it,
        every damage is one that checksums tell.
    """
    ways = [_flip, _overwrite, _truncate, _append, _remove, _swap, _edit_manifest, _blank_manifest]
    if forge:
        ways += [_forge_manifest, _forge_shard, _forge_thumbnail, _forge_side, _link, _make_folder]
    return _choice(rng, ways)(rng, folder)


def _choice(rng: np.random.Generator, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _file(rng: np.random.Generator, folder: Path, pattern: str = "*") -> Path:
    return _choice(rng, sorted(folder.glob(pattern)))


def _manifest(folder: Path) -> Path:
    return next(iter(sorted(folder.glob("manifest*.json"))))


def _flip(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder)
    data = bytearray(file.read_bytes())
    place, bit = int(rng.integers(len(data))), int(rng.integers(8))
    data[place] ^= 1 << bit
    file.write_bytes(data)
    return f"bit {bit} of byte {place} of {file.name} flipped"


def _overwrite(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder)
    data = bytearray(file.read_bytes())
    start = int(rng.integers(len(data)))
    new = rng.bytes(min(len(data) - start, int(rng.integers(1, 64))))
    if data[start : start + len(new)] == new:
        return _flip(rng, folder)
    data[start : start + len(new)] = new
    file.write_bytes(data)
    return f"{len(new)} bytes of {file.name} overwritten from {start}"


def _truncate(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder)
    left = int(rng.integers(file.stat().st_size))
    file.write_bytes(file.read_bytes()[:left])
    return f"{file.name} cut to {left} bytes"


def _append(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder)
    file.write_bytes(file.read_bytes() + _choice(rng, (b" ", b"\n", b"{}", b"\0", rng.bytes(100))))
    return f"{file.name} made longer"


def _remove(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder)
    file.unlink()
    return f"{file.name} removed"


def _swap(rng: np.random.Generator, folder: Path) -> str:
    first, second = _file(rng, folder, "*.safetensors"), _manifest(folder)
    held = first.read_bytes()
    other = _choice(rng, [one for one in sorted(folder.iterdir()) if one != first] or [second])
    first.write_bytes(other.read_bytes())
    other.write_bytes(held)
    return f"{first.name} and {other.name} swapped"


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values in values of JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in ((*at, key), *_places(one, (*at, key)))]


def _changed(rng: np.random.Generator, content: dict[str, Any]) -> str:
    """Replace, remove or add a value anywhere in a manifest but its digest."""
    before = json.dumps(content)
    while json.dumps(content) == before:
        place = _choice(rng, [one for one in _places(content) if one != ("digest",)])
        holder: Any = content
        for key in place[:-1]:
            holder = holder[key]
        what = _choice(rng, ("replaced", "removed", "added"))
        if what == "replaced":
            holder[place[-1]] = _choice(rng, ODD_VALUES)
        elif what == "removed":
            del holder[place[-1]]
        elif isinstance(holder, dict):
            holder[_choice(rng, ("x", "", "shards "))] = _choice(rng, ODD_VALUES)
        else:
            holder.append(_choice(rng, ODD_VALUES))
    return f"{'.'.join(map(str, place))} {what}"


def _edit(folder: Path, change: Callable[[dict[str, Any]], str]) -> str:
    file = _manifest(folder)
    content = json.loads(file.read_bytes())
    told = change(content)
    file.write_bytes((json.dumps(content, indent=1) + "\n").encode())
    return f"in the manifest {told}"


def _edit_manifest(rng: np.random.Generator, folder: Path) -> str:
    return _edit(folder, lambda content: _changed(rng, content))


def _blank_manifest(rng: np.random.Generator, folder: Path) -> str:
    """Write the same content in other bytes."""
    file = _manifest(folder)
    content = json.loads(file.read_bytes())
    layout = _choice(rng, ({"indent": 2}, {}, {"indent": 1, "sort_keys": True}, {"separators": (",", ":")}))
    file.write_bytes(json.dumps(content, **layout).encode())
    return f"the manifest laid out by {layout}"


def _seal(content: dict[str, Any]) -> None:
    content.pop("digest", None)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["digest"] = hashlib.sha256(canonical.encode()).hexdigest()


def _forge_manifest(rng: np.random.Generator, folder: Path) -> str:
    sealed = bool(rng.integers(2))

    def change(content: dict[str, Any]) -> str:
        told = " and ".join(_changed(rng, content) for _ in range(int(rng.integers(1, 4))))
        content.pop("digest", None)
        if sealed:
            _seal(content)
        return f"{told}, {'sealed again' if sealed else 'without a digest'}"

    return _edit(folder, change)


def _forge(folder: Path, file: Path, data: bytes, told: str) -> str:
    """Put other bytes into a file, and what fits them into the manifest."""
    file.write_bytes(data)

    def change(content: dict[str, Any]) -> str:
        for entry in [*content["shards"], *(one for kind in BESIDE for one in content.get(kind, ()))]:
            if entry["file"] == file.name:
                entry.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        _seal(content)
        return f"{told} in {file.name}, with its checksum"

    return _edit(folder, change)


def _forge_shard(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder, "tokens*")
    held = load(file.read_bytes())
    name = _choice(rng, sorted(held))
    dtype = _choice(rng, ("float32", "float64", "int8", "bool", "complex64", "uint16"))
    others: dict[str, Callable[[], dict[str, Any]]] = {
        "NaN": lambda: {**held, name: held[name] * np.float16(np.nan)},
        "another type": lambda: {**held, name: held[name].astype(dtype)},
        "another shape": lambda: {**held, name: held[name].ravel()},
        "a number": lambda: {**held, name: np.array(1.0, np.float16)},
        "no rows": lambda: {**held, name: held[name][:0]},
        "another name": lambda: {("x" if one == name else one): held[one] for one in held},
        "nothing": dict,
    }
    told = _choice(rng, [*sorted(others), "no safetensors", "a broken header", "a type that NumPy lacks"])
    if told in others:
        return _forge(folder, file, save(others[told]()), told)
    data = bytearray(file.read_bytes())
    if told == "a type that NumPy lacks":
        data = data.replace(b'"F16"', _choice(rng, (b'"F8_"', b'"XXX"', b'"F4 "')))
        data = data if rng.integers(2) else bytearray(file.read_bytes().replace(b'"F16"', b'"BF16"', 1))
    elif told == "a broken header":
        data[int(rng.integers(min(200, len(data))))] ^= 1 << int(rng.integers(8))
    return _forge(folder, file, rng.bytes(100) if told == "no safetensors" else bytes(data), told)


def _forge_thumbnail(rng: np.random.Generator, folder: Path) -> str:
    files = sorted(folder.glob("thumbnails*"))
    if not files:
        return _forge_shard(rng, folder)
    file = _choice(rng, files)
    held = load(file.read_bytes())
    name = _choice(rng, sorted(held))
    data = bytearray(held[name].tobytes())
    for _ in range(int(rng.integers(1, 5))):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    stored = np.frombuffer(bytes(data[: int(rng.integers(1, len(data) + 1))]), np.uint8)
    stored = _choice(rng, (stored, stored.astype(np.float32), stored[:0], np.array(3)))
    return _forge(folder, file, save({**held, name: stored}), "a broken picture")


def _forge_side(rng: np.random.Generator, folder: Path) -> str:
    file = _choice(rng, sorted(folder.glob("side*")) or sorted(folder.glob("tokens*")))
    held = load(file.read_bytes())
    name = _choice(rng, sorted(held))
    array = held[name].astype(np.float64)
    forged = (array * np.nan, array[:1], array[:, :0], array.astype(np.float32), array.ravel(), np.array(1.0))
    return _forge(folder, file, save({**held, name: _choice(rng, forged)}), "other side information")


def _link(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder)
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir(exist_ok=True)
    to = _choice(rng, ("outside", "nowhere", "itself", "another"))
    targets = {"outside": outside / file.name, "nowhere": folder / "none", "itself": file}
    shutil.copy(file, outside / file.name)
    file.unlink()
    file.symlink_to(targets.get(to) or _choice(rng, [*sorted(folder.iterdir()), folder]))
    return f"{file.name} is a link to {to}"


def _make_folder(rng: np.random.Generator, folder: Path) -> str:
    file = _file(rng, folder)
    file.unlink()
    file.mkdir()
    return f"{file.name} is a folder"
