"""Fixtures that several rooms share."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from otanalysis.tokens import DumpWriter

# As our programs do, so that no process of the tests loads torch for POT, which only gets NumPy arrays.
os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")

settings.register_profile("without a clock", deadline=None)  # machines are shared, and first calls compile
settings.load_profile("without a clock")


ONLY_ASKED = {
    "registry": "fetches 183 MB of packages: run `make test-assembly`",
    "shown": "takes minutes: run `make test-shown`",
}
"""Markers of tests that run only where ``-m`` names them, and why."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--once``: a shorter run that still enters every test."""
    parser.addoption(
        "--once", action="store_true", help="run every test function with its first parameters only"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what only its own target runs, unless asked for; keep, with ``--once``, the first parameters."""
    asked = config.getoption("-m") or ""
    for item in items:
        for marker, reason in ONLY_ASKED.items():
            if marker not in asked and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
    if not config.getoption("once"):
        return
    first: dict[str, pytest.Item] = {}
    for item in items:
        first.setdefault(item.nodeid.partition("[")[0], item)
    kept = list(first.values())
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


MakeDump = Callable[..., Path]

# Where torch, or the readers of ONNX and GGUF, are not installed, these files cannot even be loaded.
collect_ignore = [
    file
    for file, package in {
        "studies/test_evaluate.py": "torch",
        "vlm": "torch",
        "stamps/assembly": "gguf",
    }.items()
    if not importlib.util.find_spec(package)
]

KINDS = (
    "llava",
    "llava_next",
    "llava_onevision",
    "qwen2_vl",
    "qwen2_5_vl",
    "internvl",
    "idefics3",
    "smolvlm",
    "paligemma",
)


@pytest.fixture
def make_dump(tmp_path: Path) -> MakeDump:
    """Return a function that writes a small dump of seeded noise and returns its folder."""

    def make(
        name: str = "dump",
        *,
        samples: int = 3,
        m: int = 12,
        d: int = 5,
        shard_size: int = 2,
        seed: int = 0,
        **settings: Any,
    ) -> Path:
        generator = np.random.default_rng(seed)
        folder = tmp_path / name
        fields = {"model": "noise", "benchmark": name, **settings}
        with DumpWriter(folder, shard_size=shard_size, **fields) as writer:
            for number in range(samples):
                writer.add(f"{name}-{number}", generator.standard_normal((m, d)))
        return folder

    return make


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an untrained model of the bundled architecture: every code path of the trained."""
    pytest.importorskip("torch")
    from otanalysis.mini.training.architecture import build_model, build_processor

    folder = tmp_path_factory.mktemp("models") / "untrained"
    build_model(0).save_pretrained(folder)
    build_processor().save_pretrained(folder)
    return folder


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of model of the zoo in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the zoo of small models of the real classes; see tests/vlm/zoo.py."""
    pytest.importorskip("torch")
    return _loaded("vlm/zoo.py").Zoo(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="session")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of sixteen made-up stamps of five kinds; see tests/stamps/made_up.py."""
    folder = tmp_path_factory.mktemp("stamps")
    _loaded("stamps/made_up.py").write_stamps(folder)
    return folder


def _loaded(name: str) -> Any:
    """Return a file of the tests as a module."""
    place = Path(__file__).parent / name
    spec = importlib.util.spec_from_file_location(place.stem, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
