"""Adapters: the bundled one is the pinned one, changes are added as defined, what does not fit is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from otanalysis.errors import InputError
from otanalysis.files import DATA_VARIABLE, bundled_data
from otanalysis.stamps.assembly.adapter import ADAPTERS, add_changes, read_adapter


def test_the_bundled_adapter_is_known_and_of_the_sizes_of_its_card() -> None:
    adapter = read_adapter("smooth")
    assert adapter.name == "smooth"
    assert "0.965" in adapter.trained_on
    assert {name: tuple(value.shape) for name, value in adapter.projector.items()} == {
        "linear_1.weight": (576, 384),
        "linear_1.bias": (576,),
        "linear_2.weight": (576, 576),
        "linear_2.bias": (576,),
    }
    assert [a.shape[:2] for a, _ in adapter.changes.values()] == [(30, 16)] * 7
    assert adapter.sha256 in {known.sha256 for known in ADAPTERS.values()}


def test_a_file_is_known_by_its_checksum_and_else_said_to_be_unknown(
    small_world: Any, tmp_path: Path
) -> None:
    copy = tmp_path / "mine.safetensors"
    shutil.copy(bundled_data("stamp-llava/adapter.safetensors", "bundled adapter"), copy)
    assert read_adapter(str(copy)).name == "smooth"
    other = read_adapter(str(small_world.adapter))
    assert other.name == "adapter.safetensors"
    assert "not known" in other.trained_on


def test_a_damaged_bundled_adapter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "stamp-llava" / "adapter.safetensors"
    place.parent.mkdir()
    data = bytearray(bundled_data("stamp-llava/adapter.safetensors", "bundled adapter").read_bytes())
    data[-1] ^= 1
    place.write_bytes(data)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=r"SHA-256 .* f9cdcc0efc0d\.\.\. was wanted: it is damaged"):
        read_adapter("smooth")


def test_changes_are_twice_the_product_of_the_factors(small_world: Any) -> None:
    adapter = read_adapter(str(small_world.adapter))
    before = small_world.words.model.state_dict()
    after = {name: value.clone() for name, value in before.items()}
    add_changes(after, adapter)
    stored = {
        name: value.numpy().astype(np.float64) for name, value in load_file(small_world.adapter).items()
    }
    layers = {
        "q": "self_attn.q_proj",
        "k": "self_attn.k_proj",
        "v": "self_attn.v_proj",
        "o": "self_attn.o_proj",
        "g": "mlp.gate_proj",
        "u": "mlp.up_proj",
        "d": "mlp.down_proj",
    }
    changed = set()
    for letter, place in layers.items():
        for layer in range(2):
            name = f"layers.{layer}.{place}.weight"
            change = np.einsum(
                "or,ri->oi", stored[f"lora.{letter}.B"][layer], stored[f"lora.{letter}.A"][layer]
            )
            wanted = before[name].numpy().astype(np.float64) + 32 / 16 * change
            np.testing.assert_allclose(after[name].numpy(), wanted, rtol=0, atol=1e-6)
            assert not torch.equal(after[name], before[name])
            changed.add(name)
    for name in before.keys() - changed:
        assert torch.equal(after[name], before[name])


def test_an_adapter_of_another_model_is_refused(small_world: Any) -> None:
    weights = {name: value.clone() for name, value in small_world.words.model.state_dict().items()}
    with pytest.raises(InputError, match="smooth does not fit the language model"):
        add_changes(weights, read_adapter("smooth"))


def damaged(tensors: dict[str, torch.Tensor], name: str) -> bytes | None:
    """Return the bytes of a file that is no adapter, or None where ``tensors`` is what is damaged."""
    if name == "less":
        del tensors["lora.v.B"]
    if name == "more":
        tensors["lora.z.A"] = torch.zeros(1)
    return b"not a safetensors file" if name == "text" else None


@pytest.mark.parametrize(
    ("name", "said"),
    [("less", "lora.v.B"), ("more", "more than an adapter: lora.z.A"), ("text", "no adapter")],
)
def test_a_file_that_is_no_adapter_is_refused(small_world: Any, tmp_path: Path, name: str, said: str) -> None:
    file = tmp_path / "file.safetensors"
    tensors = load_file(small_world.adapter)
    content = damaged(tensors, name)
    if content is None:
        save_file(tensors, file)
    else:
        file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_adapter(str(file))


def test_a_file_that_is_not_there_is_refused_and_what_is_there_is_said() -> None:
    with pytest.raises(InputError, match=r"smooth or a safetensors file, .* no file natural"):
        read_adapter("natural")
