"""Attention beside the tokens: against the encoder's own weights, its projections, and a planted spot."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from otanalysis.errors import InputError
from otanalysis.vlm import attention
from otanalysis.vlm.attention import (
    attention_seen,
    attention_sides,
    check_attention,
    class_token_attention,
    mean_received,
)
from otanalysis.vlm.encode import encode_images
from otanalysis.vlm.layout import ImageTokens, Picture

WITH_CLASS_TOKEN = ("internvl", "llava", "llava_next")
ENCODERS = {
    "qwen2_vl": "visual",
    "qwen2_5_vl": "visual",
    "idefics3": "vision_model",
    "smolvlm": "vision_model",
}
CLOSE = {"rtol": 2e-5, "atol": 1e-7}  # float32, sums of up to 64 weights in another order


def batch(zoo: Any, kind: str) -> dict[str, Any]:
    """Return the inputs of three pictures of different shapes in two prompts."""
    pictures = [zoo.picture(*size, seed=seed) for seed, size in enumerate(((40, 60), (70, 50), (30, 100)))]
    prompts = [zoo.prompt(kind, "a"), zoo.prompt(kind, "b", images=2)]
    made: dict[str, Any] = zoo.inputs(kind, prompts, [pictures[:1], pictures[1:]])
    return made


def encoded(model: Any, inputs: dict[str, Any], *side: str) -> tuple[ImageTokens, ...]:
    with torch.inference_mode():
        return encode_images(model, inputs, side=side).images


def encoder_of(model: Any, kind: str) -> Any:
    return getattr(model.base_model, ENCODERS.get(kind, "vision_tower"))


def test_tokens_are_the_same_bits_and_the_model_is_left_as_it_was(zoo: Any, kind: str) -> None:
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    plain = encoded(model, inputs)  # transformers puts hooks of its own there when it first runs
    before = _state(model)
    seen = encoded(model, inputs, *attention_sides(model))
    for without, beside in zip(plain, seen, strict=True):
        assert torch.equal(without.features, beside.features)
        assert without.side == {}
        assert set(beside.side) == set(attention_sides(model))
        for values in beside.side.values():
            assert values.shape == (len(beside.patches),)
            assert values.dtype == torch.float32
            assert (values > 0).all()
    assert before == _state(model)
    assert len(before) >= 4


def _state(model: Any) -> dict[str, tuple[int, int]]:
    """Return of every attention layer which configuration it has, and how many hooks."""
    return {
        name: (id(one.config), len(one._forward_hooks))
        for name, one in model.named_modules()
        if type(one).__name__.endswith("Attention")
    }


def test_a_class_token_is_where_the_encoder_has_one(zoo: Any) -> None:
    found = {kind for kind in zoo.kinds if "cls_attention" in attention_sides(zoo.load(kind)[0])}
    assert found == set(WITH_CLASS_TOKEN)


@contextmanager
def watched(layer: Any) -> Any:
    """Yield what an attention layer is called with: hidden states, then other arguments by name."""
    calls: list[tuple[Any, Any]] = []
    hook = layer.register_forward_pre_hook(
        lambda _, args, given: calls.append((args, given)), with_kwargs=True
    )
    try:
        yield calls
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("kind", "layer"), [("llava", 0), ("llava_next", 0), ("paligemma", 1), ("internvl", 1)]
)
def test_it_is_the_softmax_of_the_layers_own_queries_and_keys(zoo: Any, kind: str, layer: int) -> None:
    """Two layers: LLaVA takes the states behind the first one, the last but one; the others the last."""
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    own = encoder_of(model, kind).encoder
    module = (own.layers if kind != "internvl" else own.layer)[layer]
    module = module.self_attn if kind != "internvl" else module.attention
    with watched(module) as calls, attention_seen(model, inputs, attention_sides(model)) as seen:
        encoded(model, inputs)
    args, given = calls[0]
    states = (args or (given["hidden_states"],))[0].double()
    heads, width = module.num_heads, module.head_dim
    weights = np.zeros((len(states), heads, states.shape[1], states.shape[1]))
    for picture, rows in enumerate(states):
        projected = [
            (rows @ one.weight.double().T + (0.0 if one.bias is None else one.bias.double())).detach()
            for one in (module.q_proj, module.k_proj)
        ]
        for head in range(heads):
            query, key = (one[:, head * width : (head + 1) * width].numpy() for one in projected)
            scores = np.exp(query @ key.T / np.sqrt(width))
            weights[picture, head] = scores / scores.sum(axis=1, keepdims=True)
    first = 0 if kind == "paligemma" else 1  # the class token's row is dropped with its token
    received = weights.mean(axis=1).mean(axis=1)[:, first:]
    np.testing.assert_allclose(seen["received_attention"].numpy(), received, **CLOSE)
    if first:
        np.testing.assert_allclose(seen["cls_attention"].numpy(), weights.mean(axis=1)[:, 0, 1:], **CLOSE)


@pytest.mark.parametrize(
    "kind", ["llava", "llava_next", "llava_onevision", "internvl", "idefics3", "smolvlm", "paligemma"]
)
def test_it_is_what_the_encoder_hands_out_where_it_hands_out_attention(zoo: Any, kind: str) -> None:
    """transformers' own weights, of the model loaded with the implementation that returns them."""
    model = zoo.fresh(kind, attn_implementation="eager")
    inputs = batch(zoo, kind)
    with torch.inference_mode(), attention_seen(model, inputs, attention_sides(model)) as seen:
        output = model.get_image_features(
            **zoo.image_inputs(inputs), output_attentions=True, return_dict=True
        )
    own = output.attentions[-2 if kind in ("llava", "llava_next") else -1].mean(dim=1)
    first = 1 if kind in WITH_CLASS_TOKEN else 0
    torch.testing.assert_close(seen["received_attention"], own.mean(dim=1)[:, first:], **CLOSE)
    if first:
        torch.testing.assert_close(seen["cls_attention"], own[:, 0, 1:], **CLOSE)
    sdpa = encoded(zoo.load(kind)[0], inputs, "received_attention")
    for one, other in zip(encoded(model, inputs, "received_attention"), sdpa, strict=True):
        torch.testing.assert_close(one.side, other.side, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl"])
def test_rotated_queries_and_keys_of_each_picture_alone(zoo: Any, kind: str) -> None:
    """Qwen-VL: by hand from the fused projection, picture by picture; then merged by four and put in rows."""
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    module = encoder_of(model, kind).blocks[-1].attn
    with watched(module) as calls:
        images = encoded(model, inputs, "received_attention")
    args, given = calls[0]
    states = (args or (given["hidden_states"],))[0]
    cos, sin = (one.double() for one in given["position_embeddings"])
    count, heads = len(states), module.num_heads
    fused = torch.nn.functional.linear(states.double(), module.qkv.weight.double(), module.qkv.bias.double())
    query, key = (_rotated(one, cos, sin) for one in fused.reshape(count, 3, heads, -1).unbind(1)[:2])
    start = 0
    for image, (_, rows, columns) in zip(images, inputs["image_grid_thw"].tolist(), strict=True):
        stop = start + rows * columns
        scores = torch.einsum("qhd,khd->hqk", query[start:stop], key[start:stop]) * query.shape[-1] ** -0.5
        received = scores.softmax(dim=-1).mean(dim=(0, 1)).detach().reshape(-1, 4).mean(dim=1)
        places = _windowed(rows // 2, columns // 2, 2 if kind == "qwen2_5_vl" else 10**9)
        torch.testing.assert_close(image.side["received_attention"][places].double(), received, **CLOSE)
        start = stop
    assert start == count
    grids = [(rows // 2, columns // 2) for _, rows, columns in inputs["image_grid_thw"].tolist()]
    assert any(_windowed(*grid, 2) != _windowed(*grid, 10**9) for grid in grids), "windows move some token"


def _rotated(values: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the halves of each head [n, heads, width] against each other by the angles [n, width]."""
    left, right = values.chunk(2, dim=-1)
    return values * cos[:, None] + torch.cat([-right, left], dim=-1) * sin[:, None]


def _windowed(rows: int, columns: int, side: int) -> list[int]:
    """Return the places of a grid, window by window, row by row in each."""
    places = [(row, column) for row in range(rows) for column in range(columns)]
    order = sorted(places, key=lambda one: (one[0] // side, one[1] // side, one))
    return [row * columns + column for row, column in order]


def test_what_the_patches_receive_adds_up(zoo: Any, kind: str) -> None:
    """All that is paid: one a picture or tile, but for what the class token gets; four patches to a mean."""
    model, _ = zoo.load(kind)
    inputs = zoo.inputs(kind, [zoo.prompt(kind, "a")], [[zoo.picture(64, 64)]])
    (image,) = encoded(model, inputs, *attention_sides(model))
    merged = 4 if kind.startswith(("qwen", "internvl", "idefics", "smolvlm")) else 1
    for name, values in image.side.items():
        paid = merged * float(values.sum())
        if kind in WITH_CLASS_TOKEN:
            assert len(image.views) * 0.5 < paid < 5, name
        elif kind == "llava_onevision":
            assert paid == pytest.approx(5, rel=1e-5), "the whole picture and four tiles, nothing cut off"
        else:
            assert paid == pytest.approx(len(image.views), rel=1e-5)


def test_a_spot_changes_most_what_the_patches_receive_that_lie_where_it_is(zoo: Any, kind: str) -> None:
    model, processor = zoo.load(kind)
    for right, lower in ((False, True), (True, False)):
        sides = []
        for spot in (False, True):
            pixels = np.full((128, 128, 3), 96, np.uint8)
            top, left = 72 if lower else 24, 72 if right else 24
            if spot:
                pixels[top : top + 32, left : left + 32] = np.random.default_rng(0).integers(
                    0, 256, (32, 32, 3)
                )
            inputs = zoo.inputs(kind, [zoo.prompt(kind, "a")], [[Image.fromarray(pixels)]])
            known = [Picture.through(processor, *pixels.shape[:2])]
            with torch.inference_mode():
                shown = encode_images(model, inputs, pictures=known, side=["received_attention"])
            (image,) = shown.images
            sides.append(image.side["received_attention"])
        change = (sides[1] - sides[0]).abs().numpy()
        assert image.boxes is not None
        boxes = np.array(image.boxes)
        quarters = (boxes[:, 0] + boxes[:, 2] > 1) * 2 + (boxes[:, 1] + boxes[:, 3] > 1)
        start = 0
        for view in image.views:
            own = slice(start, start + view.count)
            start += view.count
            means = {one: change[own][quarters[own] == one].mean() for one in set(quarters[own].tolist())}
            if len(means) == 4:
                assert max(means, key=means.__getitem__) == right * 2 + lower


@pytest.mark.parametrize("kind", ["llava_next", "llava_onevision"])
def test_tiles_lie_in_the_grid_of_the_tokens(zoo: Any, kind: str) -> None:
    """A picture that fills two by two tiles: its attention by hand from that of each tile."""
    model, _ = zoo.load(kind)
    inputs = zoo.inputs(kind, [zoo.prompt(kind, "a")], [[zoo.picture(64, 64)]])
    with attention_seen(model, inputs, ["received_attention"]) as seen:
        (image,) = encoded(model, inputs, "received_attention")
    tiles = seen["received_attention"].reshape(5, 4, 4)
    rows = [torch.cat([tiles[1 + 2 * row], tiles[2 + 2 * row]], dim=1) for row in (0, 1)]
    wanted = torch.cat([tiles[0].flatten(), torch.cat(rows).flatten()])
    assert torch.equal(image.side["received_attention"], wanted)
    assert [view.grid for view in image.views] == [(4, 4), (8, 8)]


@pytest.mark.parametrize("kind", ["internvl", "idefics3", "smolvlm"])
def test_merged_patches_are_blocks_of_the_grid(zoo: Any, kind: str) -> None:
    model, _ = zoo.load(kind)
    inputs = zoo.inputs(kind, [zoo.prompt(kind, "a")], [[zoo.picture(40, 60)]])
    with attention_seen(model, inputs, ["received_attention"]) as seen:
        (image,) = encoded(model, inputs, "received_attention")
    blocks = seen["received_attention"].reshape(-1, 4, 2, 4, 2).mean(dim=(2, 4))
    torch.testing.assert_close(image.side["received_attention"], blocks.flatten(), rtol=1e-6, atol=0)


def test_it_is_the_attention_of_the_layer_that_is_asked_for(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")
    by_layer = {
        layer: encoded(model, {**inputs, "vision_feature_layer": layer}, "cls_attention")[0].side[
            "cls_attention"
        ]
        for layer in (-2, -1, 1, 2)
    }
    assert torch.equal(by_layer[1], by_layer[-2])
    assert torch.equal(by_layer[2], by_layer[-1])
    assert not torch.allclose(by_layer[1], by_layer[2])
    assert torch.equal(encoded(model, inputs, "cls_attention")[0].side["cls_attention"], by_layer[-2])
    with pytest.raises(InputError, match=r"before any attention: take a layer in 1\.\.2"):
        encoded(model, {**inputs, "vision_feature_layer": -3}, "cls_attention")


def qkm(seed: int = 0, count: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, 3, count, 4, generator=generator) for _ in range(2))  # type: ignore[return-value]


def test_weights_add_up_to_one_and_do_not_depend_on_how_many_are_held_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query, key = qkm()
    whole = mean_received(query, key, None, 0.5)
    torch.testing.assert_close(whole.sum(dim=1), torch.ones(2))
    torch.testing.assert_close(class_token_attention(query, key, None, 0.5).sum(dim=1), torch.ones(2))
    monkeypatch.setattr(attention, "_ENTRIES", 3 * 2 * 7 * 2)
    torch.testing.assert_close(mean_received(query, key, None, 0.5), whole)
    bias = torch.zeros(2, 1, 7, 7)
    bias[:, :, 4:] = torch.linspace(0, 3, 7)
    in_parts = mean_received(query, key, bias, 0.5)
    monkeypatch.undo()
    torch.testing.assert_close(mean_received(query, key, bias, 0.5), in_parts)
    assert not torch.allclose(in_parts, whole)


def test_masks_of_every_form_leave_the_same_keys_out() -> None:
    query, key = qkm()
    seen = torch.tensor([True] * 5 + [False] * 2)
    scores = torch.einsum("phqd,phkd->phqk", query, key[:, :, :5]) * 0.5
    wanted = scores.softmax(dim=-1).mean(dim=(1, 2))
    added = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
    for mask in (seen.expand(2, 1, 7, 7), seen.expand(2, 1, 1, 7), added.expand(2, 1, 7, 7)):
        found = mean_received(query, key, mask, 0.5)
        torch.testing.assert_close(found[:, :5], wanted)
        assert torch.equal(found[:, 5:], torch.zeros(2, 2))
    with pytest.raises(InputError, match="attn_implementation='sdpa' or 'eager'"):
        mean_received(query, key, seen.expand(2, 7), 0.5)


def test_what_cannot_be_given_is_said(zoo: Any) -> None:
    llava, _ = zoo.load("llava")
    with pytest.raises(InputError, match=r"'paligemma'.*no class token: take received_attention"):
        check_attention(zoo.load("paligemma")[0], ["received_attention", "cls_attention"])
    with pytest.raises(
        InputError, match=r"cls_attention and received_attention.*not text_relevance: put that"
    ):
        check_attention(llava, ["text_relevance"])
    several = zoo.fresh("llava")
    several.config.vision_feature_layer = [-2, -1]
    with pytest.raises(
        InputError, match=r"not of one layer of its image encoder \(vision_feature_layer=\[-2"
    ):
        encoded(several, batch(zoo, "llava"), "cls_attention")
    untried = zoo.fresh("llava")
    untried.config.model_type = "mllama"
    assert attention_sides(untried) == ()
    with pytest.raises(InputError, match=r"'mllama'.*image encoder is none that was tried"):
        check_attention(untried, ["cls_attention"])
