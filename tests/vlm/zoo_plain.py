"""Processors of the zoo's own for classes whose processors of the library want torchvision.

They make of pictures what the library's would make of such small ones, in the same names, shapes and order,
from image processors of the library that do without torchvision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers as tf
from PIL import Image
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

Seen = tuple[dict[str, Any], list[str]]
"""Inputs of the model that belong to pictures, and what stands for each of them in a prompt."""


@dataclass
class PlainProcessor:
    """A processor made of a tokenizer and a function that prepares pictures.

    Attributes
    ----------
    image_processor
        Of the library; what runs inside ``prepare``, and tells settings.
    tokenizer
        Of the zoo.
    prepare : callable
        ``(image processor, pictures) -> (inputs, texts)``.
    image_token : str
        What stands for a picture in a prompt.
    types : str or None
        Name under which the model wants to know which ids are an image's (1) and which are words (0).
    """

    image_processor: Any
    tokenizer: Any
    prepare: Callable[[Any, list[Image.Image]], Seen]
    image_token: str = "<image>"
    types: str | None = None
    image_id: int | None = None

    def __call__(
        self,
        images: Sequence[Any],
        text: Sequence[str],
        *,
        return_tensors: str = "pt",
        padding: bool = True,
        padding_side: str = "left",
    ) -> tf.BatchFeature:
        """Return the model's inputs for prompts with as many placeholders as there are pictures."""
        pictures = [one for own in images for one in (own if isinstance(own, list) else [own])]
        seen, texts = self.prepare(self.image_processor, pictures)
        stand = iter(texts)
        prompts = []
        for prompt in text:
            first, *others = prompt.split(self.image_token)
            prompts.append(first + "".join(f" {next(stand)} {other}" for other in others))
        made = self.tokenizer(
            prompts, return_tensors=return_tensors, padding=padding, padding_side=padding_side
        )
        made.pop("token_type_ids", None)
        if self.types is not None:
            made[self.types] = (made["input_ids"] == self.image_id).long()
        return tf.BatchFeature({**made, **seen})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, as the library's processors do."""
        return {"processor_class": type(self).__name__, "image_token": self.image_token}


def in_tiles(mark: str, around: tuple[str, str], between: str) -> Callable[[Any, list[Image.Image]], Seen]:
    """Return what cuts tiles with the whole picture behind them, 16 tokens each; Cohere 2 Vision."""

    def prepare(images: Any, pictures: list[Image.Image]) -> Seen:
        made = images(pictures, return_tensors="pt")
        tile = f"{mark} " * 16 + between
        texts = [f"{around[0]} {f'{tile} ' * int(n)}{around[1]}" for n in made["num_patches"]]
        return {"pixel_values": made["pixel_values"]}, texts

    return prepare


def in_rows_of_tiles(images: Any, pictures: list[Image.Image]) -> Seen:
    """Cut tiles with words between columns and behind rows, then the whole picture; Llama 4."""
    patches, tiles, texts = "<|patch|> " * 16, [], []
    for picture in pictures:
        made = images([picture], return_tensors="pt")
        tiles.append(made["pixel_values"])
        canvas = ((picture.height, picture.width), (32, 32), images.min_patches, images.max_patches)
        columns, rows = get_optimal_tiled_canvas(*canvas) if len(tiles[-1]) > 1 else (0, 0)
        row = " <|tile_x_separator|> ".join([patches] * columns) + " <|tile_y_separator|> "
        texts.append(f"<|image_start|> {row * rows}<|image|> {patches}<|image_end|>")
    return {"pixel_values": torch.cat(tiles)}, texts


def in_broken_rows(images: Any, pictures: list[Image.Image]) -> Seen:
    """Close every row of merged patches with a word; Mistral 3."""
    made = images(pictures, return_tensors="pt")
    texts = []
    for height, width in made["image_sizes"]:
        row = "<image> " * (int(width) // 8) + "<break> "
        texts.append((row * (int(height) // 8)).removesuffix("<break> ") + "<end>")
    return dict(made), texts


def in_one_run(images: Any, pictures: list[Image.Image]) -> Seen:
    """Lay patches of 4 pixels of a picture of its own shape one behind the other; LFM2-VL merges by four."""
    made = images(pictures, return_tensors="pt")
    shapes = made["image_sizes"] // 4
    counts = shapes.prod(dim=1).tolist()
    flat = [
        patches_of(own[:, : 4 * rows, : 4 * columns]).flatten(0, 1)
        for own, (rows, columns) in zip(made["pixel_values"], shapes.tolist(), strict=True)
    ]
    mask = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    seen = {
        "pixel_values": torch.nn.utils.rnn.pad_sequence(flat, batch_first=True),
        "spatial_shapes": shapes,
        "pixel_attention_mask": mask.long(),
    }
    return seen, [f"<start> {'<image> ' * (count // 4)}<end>" for count in counts]


def in_merged_patches(images: Any, pictures: list[Image.Image]) -> Seen:
    """Merge the patches of a picture of its own shape by four; Qwen3-Omni."""
    made = images(pictures, return_tensors="pt")
    counts = made["image_grid_thw"].prod(dim=1) // 4
    return dict(made), ["<|image_pad|> " * int(count) for count in counts]


def in_whole_patches(images: Any, pictures: list[Image.Image]) -> Seen:
    """Lay patches of 4 pixels, row by row, of a picture of its own shape; Kimi K2.5 merges by four."""
    made = images(pictures, return_tensors="pt")
    shapes = (made["image_sizes"] // 4).tolist()
    flat = [
        patches_of(own[:, : 4 * rows, : 4 * columns]).unflatten(2, (4, 4, 3)).flatten(0, 1)
        for own, (rows, columns) in zip(made["pixel_values"], shapes, strict=True)
    ]
    seen = {
        "pixel_values": torch.cat(flat).permute(0, 3, 1, 2).contiguous(),
        "image_grid_thw": torch.tensor([[1, *shape] for shape in shapes]),
    }
    return seen, [f"<start> {'<image> ' * (rows * columns // 4)}<end>" for rows, columns in shapes]


def patches_of(pixels: torch.Tensor) -> torch.Tensor:
    """Return the patches of 4 by 4 pixels of a picture [3, h, w], ``[h / 4, w / 4, 48]``."""
    return pixels.unfold(1, 4, 4).unfold(2, 4, 4).permute(1, 2, 3, 4, 0).flatten(2)


def as_soft_tokens(images: Any, pictures: list[Image.Image]) -> Seen:
    """Pool patches of a picture of its own shape, three by three; Gemma 4."""
    made = dict(images(pictures, return_tensors="pt"))
    counts = made.pop("num_soft_tokens_per_image")
    return made, [f"<start> {'<image> ' * int(count)}<end>" for count in counts]


def coarse_and_fine(images: Any, pictures: list[Image.Image]) -> Seen:
    """Show a picture pooled two by two, then whole, each row closed by a word; Molmo 2 with one crop."""
    made = images(pictures, return_tensors="pt")["pixel_values"]
    side = made.shape[-1] // 4
    flat = torch.stack([patches_of(own).flatten(0, 1) for own in made])
    cells = np.arange(side * side).reshape(side, side)
    coarse = cells.reshape(side // 2, 2, side // 2, 2).transpose(0, 2, 1, 3).reshape(-1, 4)
    fine = np.full((side * side, 4), -1)
    fine[:, 0] = cells.ravel()
    pooling = np.concatenate(
        [
            np.where(part < 0, -1, part + crop * side * side)
            for number in range(len(pictures))
            for crop, part in ((2 * number, coarse), (2 * number + 1, fine))
        ]
    )
    seen = {
        "pixel_values": flat.repeat_interleave(2, dim=0),
        "image_token_pooling": torch.from_numpy(pooling),
        "image_grids": torch.tensor([[side // 2, side // 2, side, side]] * len(pictures)),
        "image_num_crops": torch.tensor([2] * len(pictures)),
    }
    small, large = ("<im_patch> " * (side // 2) + "<im_col> ", "<im_patch> " * side + "<im_col> ")
    text = f"<low_start> {small * (side // 2)}<im_end> <im_start> {large * side}<im_end>"
    return seen, [text] * len(pictures)


def in_square(count: int, *, tiles: bool) -> Callable[[Any, list[Image.Image]], Seen]:
    """Return what shows one square picture in ``count`` tokens; PerceptionLM has a place for tiles."""

    def prepare(images: Any, pictures: list[Image.Image]) -> Seen:
        values = images(pictures, return_tensors="pt")["pixel_values"]
        return {"pixel_values": values[:, None] if tiles else values}, ["<image> " * count] * len(pictures)

    return prepare
