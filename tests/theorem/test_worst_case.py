"""The search for greedy's worst case, the tokens it is written as, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.selection import select
from otanalysis.surrogate import otprune_kernel
from otanalysis.theorem.greedy import GUARANTEE, greedy_ratios
from otanalysis.theorem.worst_case import (
    RELEASED_GAMMA,
    GreedyWorstCase,
    WorstCaseSearch,
    greedy_comparisons,
    kernel_of,
    replay_worst_case,
    save_worst_case,
    tokens_of,
    worst_factor,
)

# The local worst case for two of four items, met from nearly every start; two optimisers agree to 1e-4.
WORST_OF_TWO = 0.8358
# A Gram matrix of unit columns against the kernel that it was made for: sums of some hundred squares.
KERNEL_TOLERANCE = 1e-10


@pytest.fixture(scope="module")
def worst() -> np.ndarray:
    """Return the worst factor for three of six items among a few starts."""
    _, factor = GreedyWorstCase()(WorstCaseSearch("factor", 3, 3, 0)).worst_case
    return np.asarray(factor)


def test_the_search_finds_much_worse_than_chance(worst: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((1000, 6, 3)) * 10.0 ** generator.uniform(-1, 1, (1000, 1, 1))
    drawn = min(greedy_ratios(kernel_of("factor", factor)).min() for factor in factors)
    found = greedy_ratios(kernel_of("factor", worst)).min()
    assert GUARANTEE < found < 0.8 < drawn


@pytest.mark.parametrize("form", ["factor", "tokens"])
def test_two_of_four_items(form: str) -> None:
    tally = GreedyWorstCase()(WorstCaseSearch(form, 2, 4, 1))
    assert float(tally.margins.min()) + GUARANTEE == pytest.approx(WORST_OF_TWO, abs=1e-4)
    again = GreedyWorstCase()(WorstCaseSearch(form, 2, 4, 1))
    np.testing.assert_array_equal(again.margins, tally.margins)


def test_no_small_step_from_what_was_found_is_worse(worst: np.ndarray) -> None:
    generator = np.random.default_rng(1)
    found = greedy_ratios(kernel_of("factor", worst))[2]
    steps = worst + 1e-3 * generator.standard_normal((2000, *worst.shape))
    around = min(greedy_ratios(kernel_of("factor", step))[2] for step in steps)
    # Ties of greedy are kept open by 1e-6, and the ratio moves by about as much.
    assert around > found - 1e-5


def test_the_comparisons_are_those_of_greedy() -> None:
    steps = greedy_comparisons(4, 2)
    assert [step.tolist() for step in steps] == [[[0], [1], [2], [3]], [[0, 1], [0, 2], [0, 3]]]


def test_a_search_with_a_size_keeps_to_it() -> None:
    generator = np.random.default_rng(2)
    factor = worst_factor(4, 2, generator, nuclear_norm=7.0)
    assert np.linalg.svd(factor, compute_uv=False).sum() == pytest.approx(7.0, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_any_kernel_is_the_released_one_of_some_tokens(seed: int) -> None:
    factor = np.random.default_rng(seed).standard_normal((6, 3))
    # Singular values that add up to a tenth of a whole number: the square root of gamma times the columns.
    factor *= 4.0 / np.linalg.svd(factor, compute_uv=False).sum()

    tokens = tokens_of(factor)

    assert tokens.shape == (6, 40)
    np.testing.assert_allclose(np.linalg.norm(tokens, axis=0), 1.0, rtol=KERNEL_TOLERANCE)
    kernel = otprune_kernel(tokens, gamma=RELEASED_GAMMA, normalise="columns")
    np.testing.assert_allclose(kernel, np.eye(6) + factor @ factor.T, atol=KERNEL_TOLERANCE)


def test_the_saved_instance_is_run_again_and_is_what_select_sees(tmp_path: Path) -> None:
    _, tokens = GreedyWorstCase()(WorstCaseSearch("tokens", 2, 2, 0)).worst_case
    path = tmp_path / "new" / "worst.json"

    saved = save_worst_case(path, "tokens", tokens)
    found = replay_worst_case(path)

    assert found == saved
    assert found.reproduced
    assert found.within_guarantee
    assert found.ratio == pytest.approx(WORST_OF_TWO, abs=1e-4)
    content = json.loads(path.read_text())
    np.testing.assert_array_equal(np.array(content["matrix"]), tokens)
    picked = select(tokens, "otprune", keep=found.keep).pick_order
    assert picked.tolist() == found.greedy
    assert set(found.greedy) != set(found.optimum)


def test_a_file_whose_ratio_was_changed_is_not_reproduced(tmp_path: Path, worst: np.ndarray) -> None:
    path = tmp_path / "worst.json"
    save_worst_case(path, "factor", worst)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"ratio": content["ratio"] - 1e-6}))
    assert not replay_worst_case(path).reproduced


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another"},
        {"form": "picture"},
        {"matrix": [[1.0], [2.0, 3.0]]},
        {"matrix": [[float("nan")]]},
        {"matrix": [[1.0]] * 30},
        {"ratio": None},
    ],
)
def test_a_file_that_is_no_instance_is_refused(
    tmp_path: Path, worst: np.ndarray, change: dict[str, object]
) -> None:
    path = tmp_path / "worst.json"
    save_worst_case(path, "factor", worst)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError):
        replay_worst_case(path)


def test_files_that_are_missing_or_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.json").write_text("no json")
    (tmp_path / "list.json").write_text("[1, 2]")
    for name in ("missing.json", "text.json", "list.json"):
        with pytest.raises(InputError, match=name):
            replay_worst_case(tmp_path / name)
