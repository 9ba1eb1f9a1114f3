"""What learns: it begins as nothing, and changes the language model as the assembly will."""

from __future__ import annotations

import copy
from typing import Any

import torch
from safetensors.torch import load_file

from otanalysis.stamps.assembly.adapter import add_changes, read_adapter
from otanalysis.stamps.training.adapter import ChangedLanguage, LearningAdapter, Projector


def test_a_new_adapter_changes_nothing_and_a_read_one_what_the_assembly_changes(small_world: Any) -> None:
    plain = small_world.words.model.state_dict()
    language = ChangedLanguage(small_world.words.model)
    adapter = LearningAdapter(Projector(64, 64), language, 2)
    assert all(torch.equal(plain[name], value) for name, value in language.under(adapter).items())
    stored = load_file(small_world.adapter)
    adapter.load_state_dict(stored)
    wanted = {name: value.clone() for name, value in plain.items()}
    add_changes(wanted, read_adapter(str(small_world.adapter)))
    found = language.under(adapter)
    assert len(found) == 2 * 7
    for name, value in wanted.items():
        torch.testing.assert_close(found.get(name, plain[name]), value)
    assert not any(torch.equal(plain[name], value) for name, value in found.items())
    kept = adapter.stored()
    assert set(kept) == set(stored)
    assert all(torch.equal(kept[name], value) for name, value in stored.items())


def test_changes_are_added_before_they_are_rounded(small_world: Any) -> None:
    exact = ChangedLanguage(copy.deepcopy(small_world.words.model))
    rounded = ChangedLanguage(copy.deepcopy(small_world.words.model), torch.bfloat16)
    adapter = LearningAdapter(Projector(64, 64), exact, 2)
    adapter.load_state_dict(load_file(small_world.adapter))
    assert rounded.model.dtype == torch.bfloat16
    for name, value in exact.under(adapter).items():
        assert torch.equal(rounded.under(adapter)[name], value.bfloat16())


def test_only_the_adapter_learns(small_world: Any) -> None:
    language = ChangedLanguage(small_world.words.model)
    adapter = LearningAdapter(Projector(64, 64), language, 2)
    output = language(adapter, input_ids=torch.tensor([[1, 2, 3]]), use_cache=False).last_hidden_state
    output.square().sum().backward()
    assert all(change.B.grad.abs().max() > 0 for change in adapter.lora.values())
    assert all(one.grad is None for one in language.model.parameters())


@torch.no_grad()
def test_a_projector_begins_with_tokens_as_long_as_words_whatever_the_features() -> None:
    generator = torch.Generator().manual_seed(0)
    words = 0.3 * torch.randn(500, 64, generator=generator)
    scales = torch.logspace(-2, 2, 48)
    features = scales * (torch.randn(40, 30, 48, generator=generator) + 5)
    projector = Projector(48, 64)
    projector.begin(features, words)
    inner = projector.linear_1(features)
    assert 0.9 < float(inner.std()) < 1.1
    assert 0.7 < float(projector(features).square().mean().sqrt()) / 0.3 < 1.4
    doubled = Projector(48, 64)
    doubled.begin(features, 2 * words)
    assert 1.4 < float(doubled(features).std() / projector(features).std()) < 2.6
