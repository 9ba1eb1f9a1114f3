"""Rows of features are told apart: whose image they are, which of them are patches, and where these lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from otanalysis.errors import InputError
from otanalysis.vlm.encode import EncodedImages, encode_images, image_token_id
from otanalysis.vlm.layout import WHOLE, ImageTokens, Picture

PACKING = ("llava_next", "llava_onevision")
LANDSCAPE, PORTRAIT, WIDE = (40, 60), (70, 50), (30, 100)


def batch(zoo: Any, kind: str) -> tuple[dict[str, Any], list[Image.Image]]:
    """Return the inputs of two prompts, one with a picture and one with two, and the pictures in order."""
    pictures = [zoo.picture(*size, seed=seed) for seed, size in enumerate((LANDSCAPE, PORTRAIT, WIDE))]
    prompts = [zoo.prompt(kind, "what is in the picture ?"), zoo.prompt(kind, "which colour ?", images=2)]
    return zoo.inputs(kind, prompts, [pictures[:1], pictures[1:]]), pictures


def encoded(zoo: Any, kind: str, inputs: dict[str, Any], pictures: list[Image.Image]) -> EncodedImages:
    model, processor = zoo.load(kind)
    known = [Picture.through(processor, one.height, one.width) for one in pictures]
    with torch.inference_mode():
        return encode_images(model, inputs, pictures=known)


def test_every_placeholder_belongs_to_one_row_of_one_image(zoo: Any, kind: str) -> None:
    inputs, pictures = batch(zoo, kind)
    images = encoded(zoo, kind, inputs, pictures).images
    assert [(image.prompt, image.number) for image in images] == [(0, 0), (1, 0), (1, 1)]
    model, _ = zoo.load(kind)
    places = [
        sorted(place for image in images if image.prompt == prompt for place in image.places.tolist())
        for prompt in (0, 1)
    ]
    wanted = [(row == image_token_id(model)).nonzero()[:, 0].tolist() for row in inputs["input_ids"]]
    assert places == wanted
    for image in images:
        assert len(image.features) == len(image.places)
        assert len(image.tokens) == sum(view.count for view in image.views)


def test_an_image_of_a_batch_has_the_features_that_it_has_alone(zoo: Any, kind: str) -> None:
    inputs, pictures = batch(zoo, kind)
    together = encoded(zoo, kind, inputs, pictures).images
    first = zoo.inputs(kind, [zoo.prompt(kind, "which colour ?")], [pictures[:1]])
    alone = [encoded(zoo, kind, first, pictures[:1]).images[0]]
    if kind != "llava_onevision":  # it cuts no tiles where a prompt has several pictures
        for one in pictures[1:]:
            own = zoo.inputs(kind, [zoo.prompt(kind, "which colour ?")], [[one]])
            alone.append(encoded(zoo, kind, own, [one]).images[0])
    for batched, single in zip(together, alone, strict=kind != "llava_onevision"):
        torch.testing.assert_close(batched.features, single.features, rtol=1e-4, atol=1e-4)
        assert torch.equal(batched.patches, single.patches)
        assert batched.views == single.views


def test_rows_that_are_no_patches_are_the_newline_vector_and_no_patch_is(zoo: Any, kind: str) -> None:
    inputs, pictures = batch(zoo, kind)
    model, _ = zoo.load(kind)
    images = encoded(zoo, kind, inputs, pictures).images
    assert len(images) == len(pictures)
    for image in images:
        is_patch = torch.zeros(len(image.features), dtype=torch.bool)
        is_patch[image.patches] = True
        if kind not in PACKING:
            assert is_patch.all()
            continue
        newline = (image.features == model.base_model.image_newline).all(dim=1)
        assert torch.equal(newline, ~is_patch)
        assert newline.any()


@pytest.mark.parametrize("kind", PACKING)
def test_each_row_of_the_packed_grid_is_closed_by_a_newline(zoo: Any, kind: str) -> None:
    inputs, pictures = batch(zoo, kind)
    image = encoded(zoo, kind, inputs, pictures).images[0]
    whole, tiles = image.views
    assert tiles.grid is not None
    rows, columns = tiles.grid
    assert columns > rows  # unpadded: the picture is a landscape
    length = len(image.features)
    newlines = sorted(set(range(length)) - set(image.patches.tolist()))
    assert newlines == [whole.count + (columns + 1) * row + columns for row in range(rows)]


def lit(size: tuple[int, int], centre: tuple[float, float]) -> Image.Image:
    """Return a grey picture with a bright, noisy square around a centre (shares of width and height)."""
    height, width = size
    pixels = np.full((height, width, 3), 96, np.uint8)
    side = min(size) // 8
    x, y = int(centre[0] * width), int(centre[1] * height)
    spot = np.random.default_rng(0).integers(0, 256, (2 * side, 2 * side, 3))
    pixels[y - side : y + side, x - side : x + side] = spot
    return Image.fromarray(pixels)


def mean_change_by_quarter(
    zoo: Any, kind: str, size: tuple[int, int], centre: tuple[float, float]
) -> list[dict[tuple[bool, bool], float]]:
    """Return how much a spot changes the patches of each quarter: of whole views, and of all tiles.

    A quarter is ``(right, lower)``; its patches are those whose boxes have their middle there.
    """
    grey = Image.new("RGB", size[::-1], (96, 96, 96))
    images: list[ImageTokens] = []
    for picture in (grey, lit(size, centre)):
        inputs = zoo.inputs(kind, [zoo.prompt(kind, "which colour ?")], [[picture]])
        images += encoded(zoo, kind, inputs, [picture]).images
    before, after = images
    change = (after.tokens - before.tokens).norm(dim=1).tolist()
    assert after.boxes is not None
    quarters = [(left + right > 1, top + bottom > 1) for left, top, right, bottom in after.boxes]
    group = [
        -1 if len(after.views) > 1 and view.box != WHOLE else number
        for number, view in enumerate(after.views)
        for _ in range(view.count)
    ]
    found = []
    for one in sorted(set(group)):
        means = {}
        for quarter in sorted(set(quarters)):
            own = [c for c, q, g in zip(change, quarters, group, strict=True) if (q, g) == (quarter, one)]
            means[quarter] = float(np.mean(own))
        found.append(means)
    assert found
    return found


@pytest.mark.parametrize("size", [(96, 144), (160, 112)])
def test_a_spot_changes_the_patches_most_that_lie_where_it_is(
    zoo: Any, kind: str, size: tuple[int, int]
) -> None:
    """Boxes are places in the picture: tested by looking, not by the arithmetic that made them."""
    for quarter in ((False, False), (True, False), (False, True), (True, True)):
        centre = tuple(0.7 if beyond else 0.3 for beyond in quarter)
        for means in mean_change_by_quarter(zoo, kind, size, (centre[0], centre[1])):
            assert len(means) == 4
            assert max(means, key=means.__getitem__) == quarter


def test_ids_and_pictures_that_do_not_belong_together_are_refused(zoo: Any) -> None:
    inputs, _ = batch(zoo, "llava")
    model, _ = zoo.load("llava")
    fewer = {**inputs, "pixel_values": inputs["pixel_values"][:2]}
    with pytest.raises(InputError, match="36 image placeholders more than there are visual tokens"):
        encode_images(model, fewer)
    more = {**inputs, "pixel_values": inputs["pixel_values"][[0, 1, 2, 2]]}
    with pytest.raises(InputError, match="has fewer"):
        encode_images(model, more)
    with pytest.raises(InputError, match="3 images are in the prompts, but 1 pictures"):
        encode_images(model, inputs, pictures=[None])


def test_a_kind_that_nobody_named_has_square_grids(zoo: Any) -> None:
    inputs, _ = batch(zoo, "llava")
    model = zoo.fresh("llava")
    model.config.model_type = "of tomorrow"
    with torch.inference_mode():
        images = encode_images(model, inputs).images
    assert [image.grid for image in images] == [(6, 6)] * 3
    assert [image.boxes for image in images] == [None] * 3


def test_features_beside_the_tokens_are_refused(zoo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, _ = batch(zoo, "llava")
    model = zoo.fresh("llava")
    original = model.get_image_features

    def with_deepstack(**given: Any) -> Any:
        output = original(**given)
        output["deepstack_features"] = output.pooler_output
        return output

    monkeypatch.setattr(model, "get_image_features", with_deepstack)
    with pytest.raises(InputError, match="hands deepstack_features to the language model"):
        encode_images(model, inputs)
    assert len(encode_images(model, inputs, untried=True).images) == 3


@pytest.mark.parametrize("kind", ["llava", "qwen2_vl", "internvl", "idefics3", "paligemma"])
def test_places_are_where_the_ids_are_and_not_where_the_image_encoder_is(
    zoo: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model spread over devices may encode on another one than that of the ids; here on ``meta``."""
    model, _ = zoo.load(kind)
    inputs = zoo.inputs(kind, [zoo.prompt(kind, "which colour ?")], [[zoo.picture(40, 60)]])
    original = model.get_image_features

    def elsewhere(**given: Any) -> Any:
        output = original(**given)
        parts = output.pooler_output
        moved = [part.to("meta") for part in parts]
        output.pooler_output = parts.to("meta") if isinstance(parts, torch.Tensor) else moved
        return output

    monkeypatch.setattr(model, "get_image_features", elsewhere, raising=False)
    with torch.inference_mode():
        images = encode_images(model, inputs).images
    assert len(images) == 1
    for image in images:
        assert {image.features.device.type, image.patches.device.type} == {"meta"}
        assert image.places.device == inputs["input_ids"].device
        stays = torch.ones_like(inputs["input_ids"], dtype=torch.bool)
        stays[image.prompt, image.places] = False
        assert int((~stays).sum()) == len(image.features)
