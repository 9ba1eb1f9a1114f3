"""The conditioned point process: its kernel by hand, greedy by determinants, dpp where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.image import Image
from otanalysis.selection import SELECTORS, select, select_batch
from otanalysis.selection.cdprune import CDPrune, scaled_relevance

M = 8


def image(seed: int, *, relevance: np.ndarray | None = None, m: int = M) -> Image:
    generator = np.random.default_rng(seed)
    own = generator.standard_normal(m) if relevance is None else relevance
    return Image(generator.standard_normal((m, 12)), side={"text_relevance": own})


def kernel_by_hand(one: Image) -> np.ndarray:
    """Return diag(r) S diag(r) as it stands in the paper, with loops."""
    tokens, relevance = one.host, one.side["text_relevance"]
    scaled = (relevance - relevance.min()) / (relevance.max() - relevance.min())
    kernel = np.empty((len(tokens), len(tokens)))
    for i, first in enumerate(tokens):
        for j, second in enumerate(tokens):
            cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
            kernel[i, j] = scaled[i] * cosine * scaled[j]
    return kernel


@pytest.mark.parametrize("seed", range(6))
def test_every_pick_raises_the_determinant_most(seed: int) -> None:
    one = image(seed)
    kernel, picked = kernel_by_hand(one), []
    selection = select(one, "cdprune", keep=M - 1)
    for pick, gain in zip(selection.pick_order, selection.gains, strict=True):
        left = [token for token in range(M) if token not in picked]
        values = {token: np.linalg.det(kernel[np.ix_([*picked, token], [*picked, token])]) for token in left}
        assert values[pick] == pytest.approx(max(values.values()), rel=1e-9)
        before = np.linalg.det(kernel[np.ix_(picked, picked)]) if picked else 1.0
        assert gain == pytest.approx(np.log(values[pick] / before), rel=1e-9)
        picked.append(int(pick))
    value = SELECTORS["cdprune"].objective_value(one, picked[:4])
    assert value == pytest.approx(np.log(np.linalg.det(kernel[np.ix_(picked[:4], picked[:4])])), rel=1e-9)
    assert selection.pick_order[0] == one.side["text_relevance"].argmax()


@pytest.mark.parametrize("constant", [0.0, 1.0, -3.5, 1e300])
def test_constant_relevance_says_nothing_and_leaves_dpp(constant: float) -> None:
    for seed in range(4):
        one = image(seed, relevance=np.full(M, constant))
        conditioned, plain = select(one, "cdprune", keep=M), select(one, "dpp", keep=M)
        np.testing.assert_array_equal(conditioned.pick_order, plain.pick_order)
        np.testing.assert_array_equal(conditioned.gains, plain.gains)


def test_relevance_decides_where_it_varies() -> None:
    chosen = {
        tuple(select(image(0, relevance=np.roll(np.arange(M), s)), "cdprune", keep=3).indices)
        for s in range(M)
    }
    assert len(chosen) > 3


def test_relevance_has_no_unit() -> None:
    one = image(1)
    relevance = one.side["text_relevance"]
    for other in (4.0 * relevance, relevance + 2.0, 1e-3 * relevance - 7.0):
        again = select(Image(one.host, side={"text_relevance": other}), "cdprune", keep=5)
        np.testing.assert_array_equal(again.pick_order, select(one, "cdprune", keep=5).pick_order)


def test_the_least_relevant_token_comes_after_all_others_that_are_not_spanned() -> None:
    one = image(2)
    least = one.side["text_relevance"].argmin()
    selection = select(one, "cdprune", keep=M)
    assert selection.pick_order[-1] == least
    assert selection.gains[-1] == -np.inf
    assert np.isfinite(selection.gains[:-1]).all()


def test_relevance_is_scaled_from_zero_to_one_whatever_its_size() -> None:
    huge = scaled_relevance(np.array([-1.7e308, 1.7e308, 0.0]))
    np.testing.assert_array_equal(huge, [0.0, 1.0, 0.5])
    np.testing.assert_array_equal(scaled_relevance(np.array([0.0, 5e-324])), [1.0, 1.0])
    np.testing.assert_array_equal(scaled_relevance(np.array([7.0])), [1.0])


def test_images_of_a_batch_give_what_each_gives_alone_on_any_library() -> None:
    torch = pytest.importorskip("torch")
    images = [image(3), image(4), image(5, m=6)]
    on_torch = [Image(torch.from_numpy(one.host.copy()), side=one.side) for one in images]
    for batch in (images, on_torch):
        for one, together in zip(images, select_batch(batch, "cdprune", keep=4), strict=True):
            alone = select(one, "cdprune", keep=4)
            assert np.asarray(together.pick_order).tolist() == alone.pick_order.tolist()
            np.testing.assert_allclose(np.asarray(together.gains), alone.gains, rtol=1e-9)


def test_any_side_information_can_be_the_relevance() -> None:
    one = image(6)
    named = Image(one.host, side={"cls_attention": one.side["text_relevance"]})
    selection = select(named, CDPrune("cls_attention"), keep=4)
    np.testing.assert_array_equal(selection.pick_order, select(one, "cdprune", keep=4).pick_order)
    assert selection.method == "cdprune-by-cls_attention"
