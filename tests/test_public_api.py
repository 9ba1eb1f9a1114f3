"""The public names, and that importing the package stays light."""

from __future__ import annotations

import json
import pkgutil
import pydoc
import re
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

import otanalysis as ota

HEAVY = ("torch", "transformers", "matplotlib", "seaborn", "pandas", "sklearn", "ot", "scipy")


def loaded_after(code: str) -> set[str]:
    """Return which heavy packages a fresh interpreter has loaded after the code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import otanalysis") == set()


def test_selecting_loads_neither_torch_nor_matplotlib() -> None:
    code = "import otanalysis as ota; ota.select([[1.0, 2.0], [3.0, 5.0]], 'otprune', keep=1)"

    assert loaded_after(code) & {"torch", "transformers", "matplotlib", "seaborn"} == set()


def test_a_heavy_import_would_be_seen() -> None:
    assert "scipy" in loaded_after("import scipy")


@pytest.mark.parametrize("name", ota.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ota, name) is not None
    assert name in dir(ota)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="selekt"):
        _ = ota.selekt


def test_the_example_of_the_readme_runs() -> None:
    tokens = np.random.default_rng(0).standard_normal((576, 32)).astype(np.float16)

    selection = ota.select(tokens, "otprune", ratio=0.098)
    transport = ota.wasserstein2(tokens, selection.indices)

    assert selection.indices.shape == selection.pick_order.shape == selection.gains.shape == (56,)
    assert transport.plan.shape == (576, 56)
    assert [len(one) for one in transport.potentials] == [576, 56]
    assert transport.distance == pytest.approx(np.sqrt(transport.squared_distance))
    assert abs(transport.duality_gap) < 1e-9 * transport.squared_distance
    assert ota.quantisation_error(tokens, selection.indices) < transport.squared_distance
    assert ota.gelbrich_squared(tokens, selection.indices) < transport.squared_distance


ROOMS = sorted(one.name for one in pkgutil.iter_modules(ota.__path__) if one.name != "__main__")


def test_pydoc_starts_with_a_tour_and_lists_every_public_name() -> None:
    page = pydoc.render_doc(ota, renderer=pydoc.plaintext)
    tour, _, listing = page.partition("PACKAGE CONTENTS")
    assert "Where to start" in tour
    for name in set(ota.__all__) - {"__version__"}:
        assert f"``{name}``" in tour, f"{name} is not in the tour"
        assert re.search(rf"^    (class )?{name}\b", listing, flags=re.MULTILINE), f"{name} is not listed"
    for room in ROOMS:
        assert f"``otanalysis.{room}``" in tour, f"the room {room} is not in the tour"
        assert f"    {room}" in listing


def test_the_tour_names_nothing_that_is_not_there() -> None:
    rooms = set(re.findall(r"``otanalysis\.(\w+)``", ota.__doc__ or ""))
    names = set(re.findall(r"``(\w+)``", ota.__doc__ or ""))
    assert rooms
    assert rooms <= set(ROOMS)
    assert names
    assert names <= set(ota.__all__)


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is_for(room: str) -> None:
    first = (import_module(f"otanalysis.{room}").__doc__ or "").partition("\n")[0]
    assert len(first) > 20
    assert first.endswith((".", ":"))
