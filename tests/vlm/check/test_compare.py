"""Rounding is half the digits of a type; a difference is a share of the largest number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otanalysis.vlm.check.compare import difference, rounding_of


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_rounding_is_the_square_root_of_numpys_epsilon(name: str) -> None:
    assert rounding_of(getattr(torch, name)) == pytest.approx(np.sqrt(np.finfo(name).eps), rel=1e-12)


def test_a_difference_does_not_hang_on_the_scale_and_sees_one_number() -> None:
    wanted = torch.arange(-3.0, 9.0).view(3, 4)
    got = wanted.clone()
    got[1, 2] += 2
    assert difference(wanted, wanted) == 0.0
    for scale in (1.0, 1e-20, 1e20):
        assert difference(got.double() * scale, wanted.double() * scale) == pytest.approx(2 / 8)


def test_what_cannot_be_compared_is_infinitely_far() -> None:
    numbers = torch.tensor([1.0, 2.0])
    for other in (torch.ones(3), torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.inf])):
        assert difference(other, numbers) == float("inf")
    assert difference(numbers, torch.zeros(2)) == float("inf")


def test_no_number_at_the_same_place_is_the_same() -> None:
    numbers = torch.tensor([1.0, torch.nan])
    assert difference(numbers, numbers) == 0.0
    assert difference(torch.zeros(0), torch.zeros(0)) == 0.0
