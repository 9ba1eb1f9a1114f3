"""The tokens with the most attention: against all subsets; what side information is missing is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import SELECTORS, TOKEN_METHODS, Selector, select, select_batch, select_many
from otanalysis.selection.attention import ByAttention
from otanalysis.selection.cdprune import CDPrune

GENERATOR = np.random.default_rng(3)
TOKENS = GENERATOR.standard_normal((9, 4))
ATTENTION = GENERATOR.dirichlet(np.ones(9))
IMAGE = Image(
    TOKENS, side={"cls_attention": ATTENTION, "received_attention": ATTENTION[::-1], "mine": -ATTENTION}
)


@pytest.mark.parametrize("keep", range(1, 10))
def test_no_other_subset_has_more_attention(keep: int) -> None:
    selection = select(IMAGE, "attention", keep=keep)
    best = max(ATTENTION[list(subset)].sum() for subset in combinations(range(9), keep))
    assert ATTENTION[selection.indices].sum() == pytest.approx(best, rel=1e-12)
    np.testing.assert_array_equal(selection.gains, ATTENTION[selection.pick_order])
    assert (np.diff(selection.gains) <= 0).all()


def test_its_objective_is_the_attention_of_any_kept_set() -> None:
    for name, attention in (("attention", ATTENTION), ("attention-by-received_attention", ATTENTION[::-1])):
        worth = SELECTORS[name].objective_value(IMAGE, [4, 0])
        assert worth == pytest.approx(attention[4] + attention[0])
    with pytest.raises(InputError, match="came without any"):
        SELECTORS["attention"].objective_value(TOKENS, [4, 0])


def test_the_parameter_says_which_attention() -> None:
    by = {one: select(IMAGE, ByAttention(one), keep=3) for one in ("received_attention", "mine")}
    assert by["received_attention"].indices.tolist() == sorted(np.argsort(ATTENTION[::-1])[-3:].tolist())
    assert by["mine"].indices.tolist() == sorted(np.argsort(ATTENTION)[:3].tolist())
    assert by["mine"].method == "attention-by-mine"
    assert by["mine"].provenance == "ByAttention(by='mine')"
    named = select(IMAGE, "attention-by-received_attention", keep=3)
    np.testing.assert_array_equal(named.pick_order, by["received_attention"].pick_order)


def test_equal_attention_keeps_the_first_tokens_and_the_tokens_decide_nothing() -> None:
    equal = Image(TOKENS, side={"cls_attention": np.ones(9)})
    assert select(equal, "attention", keep=4).pick_order.tolist() == [0, 1, 2, 3]
    other = Image(TOKENS[::-1] * 7, side=IMAGE.side)
    np.testing.assert_array_equal(
        select(other, "attention", keep=4).pick_order, select(IMAGE, "attention", keep=4).pick_order
    )


def test_it_moves_with_the_tokens_and_runs_beside_torch() -> None:
    torch = pytest.importorskip("torch")
    order = np.random.default_rng(1).permutation(9)
    moved = Image(TOKENS[order], side={"cls_attention": ATTENTION[order]})
    np.testing.assert_array_equal(
        order[select(moved, "attention", keep=5).pick_order], select(IMAGE, "attention", keep=5).pick_order
    )
    on_torch = Image(torch.from_numpy(TOKENS), side={"cls_attention": torch.from_numpy(ATTENTION)})
    chosen = select(on_torch, "attention", keep=5)
    assert isinstance(chosen.indices, torch.Tensor)
    assert chosen.indices.tolist() == select(IMAGE, "attention", keep=5).indices.tolist()


def test_batches_and_many_counts_give_what_single_calls_give() -> None:
    images = [IMAGE, Image(TOKENS[:6], side={"cls_attention": ATTENTION[:6]})]
    for batched, image in zip(select_batch(images, "attention", keep=4), images, strict=True):
        assert batched.indices.tolist() == select(image, "attention", keep=4).indices.tolist()
    many = select_many(IMAGE, "attention", [2, 7])
    assert many[2].indices.tolist() == select(IMAGE, "attention", keep=2).indices.tolist()


@pytest.mark.parametrize("by", ["", "a b", "../x", None, 3])
def test_what_is_no_name_is_refused(by: Any) -> None:
    for method in (ByAttention, CDPrune):
        with pytest.raises(InputError, match="by must be a name of side information such as"):
            method(by)


def test_the_methods_that_need_more_than_tokens_are_told_apart() -> None:
    assert set(SELECTORS) - set(TOKEN_METHODS) == {"attention", "attention-by-received_attention", "cdprune"}
    assert SELECTORS["cdprune"].needs == ("text_relevance",)
    assert SELECTORS["dpp"].needs == ()


@dataclass(frozen=True)
class Own(Selector):
    """A user's selector that needs two kinds of side information, and counts on having them."""

    name: ClassVar[str] = "own"
    needs: ClassVar[tuple[str, ...]] = ("cls_attention", "mine")

    def pick(self, image: Image, keep: int, _generator: np.random.Generator | None) -> Any:
        return np.argsort(image.side["cls_attention"] + image.side["mine"], kind="stable")[:keep]


PLAIN = Image(TOKENS, side={"cls_attention": ATTENTION})


@pytest.mark.parametrize(
    "call",
    [
        lambda method: select(PLAIN, method, keep=3),
        lambda method: select(PLAIN.normalised("rows"), method, keep=3),
        lambda method: select_many(PLAIN, method, [3]),
        lambda method: select_batch([PLAIN, PLAIN], method, keep=3),
        lambda method: ota.compare(PLAIN, [method], keep=3),
    ],
)
@pytest.mark.parametrize("method", [Own(), CDPrune("mine"), ByAttention("mine")])
def test_what_is_missing_is_said_in_one_sentence(call: Callable[[Any], Any], method: Any) -> None:
    with pytest.raises(
        InputError, match=r"needs the side information 'mine'.*only cls_attention: give Image"
    ):
        call(method)


@pytest.mark.parametrize("call", [select, lambda tokens, *how, **more: select_batch([tokens], *how, **more)])
def test_plain_tokens_have_none(call: Any) -> None:
    torch = pytest.importorskip("torch")
    for tokens in (TOKENS, torch.from_numpy(TOKENS), TOKENS.tolist()):
        with pytest.raises(
            InputError, match=r"these tokens came without any: capture .*--side cls-attention"
        ):
            call(tokens, "attention", keep=3)


def test_an_own_selector_gets_what_it_needs() -> None:
    wanted = np.sort(np.argsort(IMAGE.side["cls_attention"] + IMAGE.side["mine"], kind="stable")[:3])
    np.testing.assert_array_equal(select(IMAGE, Own(), keep=3).indices, wanted)
