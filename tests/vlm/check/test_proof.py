"""What is right is proven once, what is wrong in silence is refused with the check that found it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from otanalysis.errors import InputError
from otanalysis.vlm import Pruned
from otanalysis.vlm.check import proof as proofs
from otanalysis.vlm.check.proof import Proof, TellsNothingError, not_maskable, require_proof
from otanalysis.vlm.check.routes import Routes, at_rest

Make = Callable[..., Routes]


@pytest.fixture
def nothing_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was proven, for one test."""
    monkeypatch.setattr(proofs, "_PROVEN", set())


@pytest.mark.parametrize("kind", ["llava_next", "qwen2_vl", "gemma3", "qwen3_vl"])
def test_newlines_grids_both_ways_and_deepstack_are_proven(routes: Make, kind: str) -> None:
    with at_rest(routes(kind).model):
        proof = Proof.of(routes(kind))
        kept, dropped = proof.all_kept(), proof.dropping()
    assert (kept.verdict, kept.difference) == ("passed", 0.0)
    assert dropped.verdict == "passed"
    assert dropped.difference is not None
    assert 0 < dropped.difference < 1e-5


@pytest.mark.usefixtures("nothing_proven")
@pytest.mark.parametrize("route", ["forward", "generate"])
def test_what_is_wrong_in_silence_is_refused_by_name(
    routes: Make, silent: tuple[Any, str], route: str
) -> None:
    model, check = silent
    inputs = routes("llava").prompts
    with torch.inference_mode(), Pruned(model, keep=4) as pruned:
        call = model if route == "forward" else model.generate
        for _ in range(2):
            with pytest.raises(InputError, match=rf"{check}: failed .*Pruned\(check=False\)"):
                call(**inputs)
    assert pruned.last is None
    assert not proofs._PROVEN


@pytest.mark.usefixtures("nothing_proven")
def test_a_proof_is_made_once_for_classes_attention_and_version(
    routes: Make, zoo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = routes("llava")
    model, calls = made.model, []

    def counted(**given: Any) -> Any:
        calls.append(given)
        return type(model).forward(model, **given)

    require_proof(model, made.inputs, counted)
    assert len(calls) == 4
    require_proof(zoo.fresh("llava"), made.inputs, counted)
    assert len(calls) == 4
    eager = zoo.fresh("llava", attn_implementation="eager")
    require_proof(eager, made.inputs, eager.forward)
    assert len(proofs._PROVEN) == 2
    monkeypatch.setattr("transformers.__version__", "99.0")
    require_proof(model, made.inputs, counted)
    assert (len(calls), len(proofs._PROVEN)) == (8, 3)


@pytest.mark.usefixtures("nothing_proven")
def test_those_who_know_go_on_without(routes: Make) -> None:
    made = routes("llava")
    with torch.inference_mode(), Pruned(made.model, keep=4, check=False) as pruned:
        made.model(**made.inputs)
    assert pruned.last is not None
    assert not proofs._PROVEN


@pytest.mark.usefixtures("nothing_proven")
def test_a_model_that_answers_the_same_to_anything_proves_nothing_and_goes_on(routes: Make, zoo: Any) -> None:
    model = zoo.fresh("llava")
    torch.nn.init.zeros_(model.lm_head.weight)
    made = routes("llava", model)
    with at_rest(model), pytest.raises(TellsNothingError, match="changes nothing in this prompt"):
        Proof.of(made).dropping()
    require_proof(model, made.inputs, model.forward)
    assert not proofs._PROVEN


def test_prompts_without_a_word_behind_the_picture_are_looked_at_where_tokens_stay(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = zoo.inputs("llava", [zoo.placeholder("llava")], [[zoo.picture(40, 60)]])
    assert not Routes(model, inputs).words[0, 1:].any()
    with at_rest(model):
        assert Proof.of(Routes(model, inputs)).dropping().verdict == "passed"


def test_where_masks_do_not_hide_tokens_the_language_model_is_called_by_hand(
    routes: Make, zoo: Any, silent: tuple[Any, str]
) -> None:
    """Llama passes over the setting, so that both routes exist, and what is wrong is found by either."""
    right, (wrong, check) = zoo.fresh("llava"), silent
    for model in (right, wrong):
        assert not_maskable(model) is None
        model.config.get_text_config().layer_types = ["full_attention", "sliding_attention", "conv"]
        assert not_maskable(model) == "tokens meet in conv too"
    with at_rest(right):
        finding = Proof.of(routes("llava", right)).dropping()
    assert finding.verdict == "passed"
    assert "called by hand" in finding.reason
    if check.startswith("c"):
        with at_rest(wrong):
            assert Proof.of(routes("llava", wrong)).dropping().verdict == "failed"
