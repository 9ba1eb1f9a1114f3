"""What is particular to a family of models: which placeholders are an image, and how patches lie in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from otanalysis.errors import InputError
from otanalysis.vlm.layout import WHOLE, Box, PatchView, Picture, square_grid
from otanalysis.vlm.merging import (
    merged_in_blocks,
    merged_in_windows,
    shuffled_in_the_connector,
    shuffled_on_the_grid,
    unmerged,
)

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PlaceholderRun:
    """Placeholders of one prompt that stand side by side: positions ``start`` to ``stop - 1``."""

    prompt: int
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of placeholders."""
        return self.stop - self.start


ImageRuns: TypeAlias = list[PlaceholderRun]
"""The runs that make up one image: several where tiles are separated by words."""

Known: TypeAlias = Sequence[Picture | None]
"""What is known of the picture of each image, in their order."""

Inputs: TypeAlias = Mapping[str, Any]
"""What the processor returned."""

Views: TypeAlias = list[tuple[PatchView, ...]]
"""The views of each image, in their order."""


@dataclass(frozen=True)
class Family:
    """How one family of models turns images into visual tokens.

    Attributes
    ----------
    name : str
        For people.
    group : callable
        ``(input_ids, runs, lengths) -> images``: the runs of each image, from the ids ``[B, L]``, all runs of
        placeholders in order and the number of rows of each part of ``pooler_output``.
    views : callable
        ``(model, inputs, images, pictures) -> views`` of each image; for families that pack newline rows the
        encoder finds them itself, see :func:`otanalysis.vlm.encode.encode_images`.
    packs : bool
        Whether features are packed with newline rows (``pack_image_features``).
    merge : callable or None
        ``(base, inputs, values) -> values``: numbers of the encoder's patches to numbers of the visual
        tokens, see :mod:`otanalysis.vlm.merging`; families that pack do without.
    """

    name: str
    group: Callable[[torch.Tensor, list[PlaceholderRun], list[int]], list[ImageRuns]]
    views: Callable[[Any, Inputs, list[ImageRuns], Known], Views]
    packs: bool = False
    merge: Callable[[Any, Inputs, torch.Tensor], torch.Tensor] = unmerged


def family_of(model: Any) -> Family:
    """Return the family of a model: what is known of its kind, or of a kind that nobody named what most do.

    Families add knowledge, not permission: a kind that is not among :data:`FAMILIES` is taken for one whose
    images are single grids of patches, and :mod:`otanalysis.vlm.check` finds out whether pruning is right.

    Parameters
    ----------
    model
        A Hugging Face model.

    Raises
    ------
    InputError
        The model does not hand out the visual tokens of its images; the message names its kind.
    """
    kind = str(getattr(model.config, "model_type", type(model).__name__))
    if kind in FAMILIES:
        return FAMILIES[kind]
    if not hasattr(base_of(model), "get_image_features"):
        raise InputError(
            f"Models of the kind {kind!r} ({type(model).__name__}) have no get_image_features, so that their "
            f"visual tokens cannot be had; take one that has, such as {', '.join(sorted(FAMILIES))}."
        )
    return Family(kind, _one_part_each, _square)


def base_of(model: Any) -> Any:
    """Return the part of a model that encodes images: the model without its head, where that does."""
    inner = getattr(model, "base_model", model)
    return inner if hasattr(inner, "get_image_features") else model


def is_tried(model: Any) -> bool:
    """Tell whether the kind of a model is among :data:`FAMILIES`.

    See :func:`~otanalysis.vlm.encode.encode_images`.
    """
    return getattr(model.config, "model_type", None) in FAMILIES


def _one_part_each(_ids: torch.Tensor, runs: list[PlaceholderRun], lengths: list[int]) -> list[ImageRuns]:
    """Every part of ``pooler_output`` is an image; images side by side share a run of placeholders."""
    images: list[ImageRuns] = []
    queue = list(runs)
    for length in lengths:
        if not queue or len(queue[0]) < length:
            raise InputError(
                f"An image of {length} visual tokens wants as many placeholders side by side, but the prompt "
                "has fewer: make ids and pictures with one call of the processor."
            )
        first = queue.pop(0)
        images.append([PlaceholderRun(first.prompt, first.start, first.start + length)])
        if len(first) > length:
            queue.insert(0, PlaceholderRun(first.prompt, first.start + length, first.stop))
    if queue:
        raise InputError(
            f"The prompts have {sum(map(len, queue))} image placeholders more than there are visual tokens: "
            "make ids and pictures with one call of the processor."
        )
    return images


def _one_run_each(_ids: torch.Tensor, runs: list[PlaceholderRun], _lengths: list[int]) -> list[ImageRuns]:
    """Tiles of an image stand side by side, images are separated by words."""
    return [[run] for run in runs]


def _until_global(ids: torch.Tensor, runs: list[PlaceholderRun], _lengths: list[int]) -> list[ImageRuns]:
    """Tiles are separated by words; an image ends with the run that the word for the global view precedes.

    The last run of a prompt is always a global view, so that the word needs no tokenizer to be known.
    """
    images: list[ImageRuns] = []
    for prompt in sorted({run.prompt for run in runs}):
        own = [run for run in runs if run.prompt == prompt]
        before = [int(ids[prompt, run.start - 1]) if run.start else -1 for run in own]
        image: ImageRuns = []
        for run, word in zip(own, before, strict=True):
            image.append(run)
            if word == before[-1]:
                images.append(image)
                image = []
    return images


def _single_view(model: Any, inputs: Inputs, images: list[ImageRuns], pictures: Known) -> Views:
    """One square grid over the part of the picture that the processor cuts out; LLaVA-1.5."""
    vision = model.config.vision_config
    shapes = inputs.get("image_sizes") if vision.model_type == "pixtral" else None
    views: Views = []
    for number, image in enumerate(images):
        count = sum(map(len, image))
        grid = square_grid(count)
        if shapes is not None:
            grid = (int(shapes[number][0]) // vision.patch_size, int(shapes[number][1]) // vision.patch_size)
        picture = pictures[number]
        box = picture.shown if picture is not None else None
        views.append((PatchView(grid, box, count),))
    return views


def _square(
    _model: Any, _inputs: Inputs, images: list[ImageRuns], _pictures: Known, *, box: Box | None = None
) -> Views:
    """One grid where the number of patches is a square, over a box of the picture where that is known."""
    counts = [sum(map(len, image)) for image in images]
    return [(PatchView(square_grid(count), box, count),) for count in counts]


def _merged_grid(model: Any, inputs: Inputs, images: list[ImageRuns], _pictures: Known) -> Views:
    """Return the grid that comes with the picture, its neighbours merged; Qwen2-VL and Qwen2.5-VL."""
    merge = int(model.config.vision_config.spatial_merge_size)
    shapes = inputs["image_grid_thw"].tolist()
    return [
        (PatchView.of_grid(int(rows) // merge, int(columns) // merge),)
        for (_, rows, columns), _image in zip(shapes, images, strict=True)
    ]


def _tiles_side_by_side(model: Any, _inputs: Inputs, images: list[ImageRuns], pictures: Known) -> Views:
    """Tiles of the picture, and behind several of them the whole picture once more; InternVL."""
    vision = model.config.vision_config
    side = int(vision.image_size[0] // vision.patch_size[0] * model.config.downsample_ratio)
    views = []
    for image, picture in zip(images, pictures, strict=True):
        tiles = len(image[0]) // side**2
        arrangement = _arrangement(tiles - 1, picture) if tiles > 1 else (0, 0)
        views.append(views_of_tiles(tiles, arrangement, (side, side)))
    return views


def _tiles_between_words(_model: Any, _inputs: Inputs, images: list[ImageRuns], _pictures: Known) -> Views:
    """Tiles of the picture between words, and behind them the whole picture; Idefics3 and SmolVLM.

    Two words stand between tiles of one row, more between rows.
    """
    views = []
    for image in images:
        grid = square_grid(len(image[0]))
        if grid is None:
            views.append(tuple(PatchView(None, None, len(run)) for run in image))
            continue
        gaps = [right.start - left.stop for left, right in pairwise(image)]
        columns = next((place + 1 for place, gap in enumerate(gaps) if gap > 2), 1)
        arrangement = ((len(image) - 1) // columns, columns) if len(image) > 1 else (0, 0)
        views.append(views_of_tiles(len(image), arrangement, grid))
    return views


def views_of_tiles(
    tiles: int, arrangement: tuple[int, int] | None, grid: tuple[int, int]
) -> tuple[PatchView, ...]:
    """Return the views of tiles row by row over the picture, and of the whole picture behind them.

    Parameters
    ----------
    tiles : int
        Number of views, the last one being that of the whole picture.
    arrangement : tuple of int or None
        Rows and columns of tiles; None if not known, then their boxes are not either.
    grid : tuple of int
        Rows and columns of patches of each view.
    """
    if arrangement is None:
        return (*(PatchView.of_grid(*grid, box=None) for _ in range(tiles - 1)), PatchView.of_grid(*grid))
    rows, columns = arrangement
    cells = [
        PatchView.of_grid(*grid, box=(x / columns, y / rows, (x + 1) / columns, (y + 1) / rows))
        for y in range(rows)
        for x in range(columns)
    ]
    return (*cells, PatchView.of_grid(*grid))


def _arrangement(tiles: int, picture: Picture | None) -> tuple[int, int] | None:
    """Return rows and columns of that many tiles: those whose shape is closest to the picture's."""
    shapes = [(rows, tiles // rows) for rows in range(1, tiles + 1) if tiles % rows == 0]
    if len(shapes) == 1:
        return shapes[0]
    if picture is None:
        return None
    aspect = picture.width / picture.height
    return min(shapes, key=lambda shape: abs(shape[1] / shape[0] - aspect))


def _found_while_packing(_model: Any, _inputs: Inputs, _images: list[ImageRuns], _pictures: Known) -> Views:
    """Families that pack newline rows: the encoder sees the views while the model packs them."""
    return []


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "llava": Family("LLaVA-1.5", _one_part_each, _single_view),
        "llava_next": Family("LLaVA-NeXT", _one_part_each, _found_while_packing, packs=True),
        "llava_onevision": Family("LLaVA-OneVision", _one_part_each, _found_while_packing, packs=True),
        "qwen2_vl": Family("Qwen2-VL", _one_part_each, _merged_grid, merge=merged_in_blocks),
        "qwen2_5_vl": Family("Qwen2.5-VL", _one_part_each, _merged_grid, merge=merged_in_windows),
        "internvl": Family("InternVL", _one_run_each, _tiles_side_by_side, merge=shuffled_on_the_grid),
        "idefics3": Family("Idefics3", _until_global, _tiles_between_words, merge=shuffled_in_the_connector),
        "smolvlm": Family("SmolVLM", _until_global, _tiles_between_words, merge=shuffled_in_the_connector),
        # The picture was resized to a square.
        "paligemma": Family("PaliGemma", _one_part_each, partial(_square, box=WHOLE)),
    }
)
"""The families by Hugging Face's ``model_type``; each is tested on a small model of the real class."""
