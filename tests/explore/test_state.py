"""The explorer's answers are those of the package's functions, computed once; its states are checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import otanalysis as ota
from otanalysis import image as image_module
from otanalysis.arrays import normalise_tokens
from otanalysis.defaults import DEFAULT_GAMMAS
from otanalysis.distances import DISTANCES, EVERYWHERE
from otanalysis.errors import InputError
from otanalysis.explore import state as room
from otanalysis.explore.state import CURVE_RATIOS, Measurements, View
from otanalysis.image import Image
from otanalysis.selection import SELECTORS, TOKEN_METHODS
from otanalysis.surrogate import logdet_value, otprune_kernel, paper_objective
from otanalysis.tokens import DumpWriter

from .conftest import MakePictured


@pytest.mark.parametrize("method", TOKEN_METHODS)
@pytest.mark.parametrize("settings", [{}, {"gamma": 1.0, "kernel_normalise": "rows", "normalise": "columns"}])
def test_a_reading_is_what_the_package_says(pictured: MakePictured, method: str, settings: dict) -> None:
    view = View(sample=1, methods=(method, "uniform"), ratio=0.2, **settings)
    measured = Measurements(pictured())
    tokens = measured.dump[1].tokens
    image = Image.of_sample(measured.dump[1])
    for name, reading in zip(view.methods, measured.readings(view), strict=True):
        kept = ota.select(image, name, ratio=0.2, gamma=view.gamma, normalise=view.kernel_normalise)
        np.testing.assert_array_equal(reading.selection.indices, kept.indices)
        exact = ota.wasserstein2(tokens, kept.indices, normalise=view.normalise)
        assert reading.transport.squared_distance == pytest.approx(exact.squared_distance)
        scaled = normalise_tokens(tokens, view.normalise)
        assert reading.quantisation_error == pytest.approx(ota.quantisation_error(scaled, kept.indices))
        assert reading.further.keys() == set(DISTANCES) - set(EVERYWHERE)
        for key, value in reading.further.items():
            assert value == pytest.approx(DISTANCES[key].measure(ota.Image(scaled), kept.indices)), key
        kernel = otprune_kernel(tokens.astype(np.float64), gamma=view.gamma, normalise=view.kernel_normalise)
        assert reading.surrogate == pytest.approx(logdet_value(kernel, kept.indices))
        of_the_paper = paper_objective(
            tokens, kept.indices, gamma=view.gamma, normalise=view.kernel_normalise
        )
        assert reading.paper_surrogate == pytest.approx(of_the_paper)
        assert reading.quantisation_error <= reading.transport.squared_distance * (1 + 1e-12)
    floor = measured.floor(view)
    assert floor.squared_distance == pytest.approx(
        ota.wasserstein2_floor(tokens, 10, normalise=view.normalise).squared_distance
    )


@pytest.mark.parametrize("method", DEFAULT_GAMMAS)
def test_gamma_and_normalisation_matter_where_they_should(pictured: MakePictured, method: str) -> None:
    measured = Measurements(pictured())
    base = View(methods=(method, "random"), ratio=0.2)
    for change, moved in [
        ({"gamma": 10.0}, (True, False)),
        ({"kernel_normalise": "none"}, (True, False)),
        ({"normalise": "rows"}, (False, False)),
        ({"sample": 1}, (True, False)),
    ]:
        other = measured.readings(measured.checked(base, **change))
        same = [
            np.array_equal(a.selection.indices, b.selection.indices)
            for a, b in zip(measured.readings(base), other, strict=True)
        ]
        assert tuple(not one for one in same) == moved, change
    raw, rows = measured.readings(base)[0], measured.readings(measured.checked(base, normalise="rows"))[0]
    assert raw.transport.distance != rows.transport.distance
    assert (raw.surrogate, raw.paper_surrogate) == (rows.surrogate, rows.paper_surrogate)


def test_the_curve_is_the_distance_at_each_share(pictured: MakePictured) -> None:
    measured = Measurements(pictured())
    view = View(ratio=0.15)
    assert measured.known_curve(view, "ot-medoids") == []
    points = list(measured.curve(view, "ot-medoids"))
    assert [ratio for ratio, _ in points] == list(CURVE_RATIOS)
    assert measured.known_curve(view, "ot-medoids") == points
    assert dict(points)[0.15] == measured.readings(view)[1].transport.distance
    assert points[0][1] > points[-1][1]
    assert measured.known_curve(measured.checked(view, normalise="rows"), "ot-medoids") == []


def test_nothing_is_computed_twice(pictured: MakePictured, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    counted_ones = [(room, name) for name in ("wasserstein2", "wasserstein2_floor", "select_many")]
    for place, name in [*counted_ones, (image_module, "_squared_distances")]:

        def counted(
            *arguments: object, _name: str = name, _real: object = getattr(place, name), **rest: object
        ):
            calls.append(_name)
            return _real(*arguments, **rest)  # type: ignore[operator]

        monkeypatch.setattr(place, name, counted)
    measured = Measurements(pictured())
    view = View()
    measured.readings(view)
    measured.floor(view)
    first = list(calls)
    assert first.count("wasserstein2") == first.count("select_many") == 2
    assert first.count("_squared_distances") == 1
    measured.readings(view)
    measured.floor(view)
    assert calls == first
    measured.readings(View(ratio=0.2))
    # One run of otprune serves every share; ot-medoids, which does not pick one by one, runs again.
    assert calls[len(first) :] == ["wasserstein2", "select_many", "wasserstein2"]


def test_what_was_not_looked_at_for_long_is_forgotten(pictured: MakePictured) -> None:
    measured = Measurements(pictured(12))
    first = measured.sample(View())
    assert measured.sample(View()) is first
    for number in range(1, 12):
        measured.sample(View(sample=number))
    assert measured.sample(View()) is not first


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"sample": 3}, r"0\.\.2"),
        ({"sample": -1}, r"0\.\.2"),
        ({"methods": ("otprune",)}, "two, side by side"),
        ({"methods": ("otprune", "best")}, "Unknown method 'best'"),
        ({"ratio": 0.5}, r"0\.01\.\.0\.4"),
        ({"ratio": float("nan")}, "ratio"),
        ({"gamma": 0.0}, "gamma"),
        ({"normalise": "cells"}, "one of none, columns, rows"),
        ({"kernel_normalise": "cells"}, "one of none, columns, rows"),
        ({"sampel": 1}, "no sampel"),
    ],
)
def test_states_that_there_are_not_are_refused(pictured: MakePictured, state: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Measurements(pictured()).checked(View(), **state)


def test_selectors_of_ones_own_are_used_as_they_are(pictured: MakePictured) -> None:
    from dataclasses import dataclass
    from typing import ClassVar

    from otanalysis.selection.selector import build_selection

    @dataclass(frozen=True)
    class Middle:
        name: ClassVar[str] = "middle"
        nested: ClassVar[bool] = False
        stochastic: ClassVar[bool] = False

        def __call__(self, tokens, keep, *, generator=None, cost=None):  # noqa: ARG002
            start = (len(tokens) - keep) // 2
            return build_selection(self, tokens, np.arange(start, start + keep))

    measured = Measurements(pictured(), [Middle()])
    reading, _ = measured.readings(measured.checked(View(), methods=("middle", "first"), ratio=0.25))
    np.testing.assert_array_equal(reading.selection.indices, np.arange(18, 30))
    with pytest.raises(InputError, match="already"):
        Measurements(pictured(name="again"), [SELECTORS["dpp"]])


def test_weights_in_a_dump_are_masses_in_what_is_read(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    tokens, weights = generator.standard_normal((48, 5)), generator.exponential(size=48)
    with DumpWriter(tmp_path / "dump", model="tiny", benchmark="noise", grid=(6, 8)) as writer:
        writer.add("a", tokens, weights=weights)
    measured = Measurements(ota.open_dump(tmp_path / "dump"))
    view = View(methods=("kmedoids", "otprune"), ratio=0.2, normalise="rows")
    image = ota.Image(measured.dump[0].tokens, weights=weights)

    for name, reading in zip(view.methods, measured.readings(view), strict=True):
        kept = ota.select(image, name, ratio=0.2).indices
        np.testing.assert_array_equal(reading.selection.indices, kept)
        exact = ota.wasserstein2(image, kept, normalise="rows")
        assert reading.transport.squared_distance == exact.squared_distance
        assert reading.quantisation_error == ota.quantisation_error(image.normalised("rows"), kept)
    floor = measured.floor(view)
    assert (
        floor.squared_distance
        == ota.wasserstein2_floor(image, 10, normalise="rows").squared_distance
        != ota.wasserstein2_floor(measured.dump[0].tokens, 10, normalise="rows").squared_distance
    )
