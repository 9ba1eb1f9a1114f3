"""Encode the images of a batch, and tell which of the rows are image patches and where they lie."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from otanalysis.errors import InputError
from otanalysis.vlm.attention import attention_seen
from otanalysis.vlm.families import Family, base_of, encoder_of, family_of
from otanalysis.vlm.grouping import ImageRuns, PlaceholderRun
from otanalysis.vlm.handed import parts_of, require_known_form
from otanalysis.vlm.layout import ImageTokens, PatchView, Picture
from otanalysis.vlm.merging import unmerged
from otanalysis.vlm.requirements import require_transformers
from otanalysis.vlm.views import Views

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """The visual tokens of a batch.

    Attributes
    ----------
    output
        What ``get_image_features`` returned.
    images : tuple of ImageTokens
        In the order of their placeholders.
    family : Family
        How the model turns images into visual tokens.
    """

    output: Any
    images: tuple[ImageTokens, ...]
    family: Family


def encode_images(
    model: Any,
    inputs: Mapping[str, Any],
    *,
    pictures: Sequence[Picture | None] | None = None,
    untried: bool = False,
    side: Sequence[str] = (),
) -> EncodedImages:
    """Encode the images of a batch with the model's own ``get_image_features``.

    Parameters
    ----------
    model
        A Hugging Face image-text model; what its family is known for, and what of an unknown kind, see
        :func:`~otanalysis.vlm.families.family_of`.
    inputs
        What its processor returned for the prompts, ``input_ids`` [B, L] among it.
    pictures
        What is known of the picture of every image, for the boxes of the views.
    untried
        Nothing goes to the language model: what would reach it beside the tokens is no matter.
    side
        Names of attention to take beside the tokens, see :mod:`otanalysis.vlm.attention`.

    Returns
    -------
    EncodedImages
        One entry an image; tiles of one image are one entry with several views.

    Raises
    ------
    InputError
        The model hands out no visual tokens, or something beside them; ids and pictures do not belong
        together; or the model has no such attention.
    MissingDependencyError
        torch or transformers is missing or too old.

    Notes
    -----
    LLaVA-NeXT, LLaVA-OneVision and Granite 4 Vision pack newline rows. Which rows these are is not computed
    a second time here: the model's own packing runs once more on labels (patch or not, tile, attention), so
    that rows and labels cannot disagree. Where it resizes the tokens of the tiles, so it does the attention.

    Examples
    --------
    >>> import numpy as np
    >>> from otanalysis.mini import bundled_model_path
    >>> from otanalysis.vlm import is_tried, load_model
    >>> vlm, picture = load_model(bundled_model_path()), np.zeros((192, 192, 3), np.uint8)
    >>> inputs = vlm.processor(images=picture, text="<image> is there a 7 ?", return_tensors="pt")
    >>> encoded = encode_images(vlm.model, inputs)
    >>> encoded.images[0].features.shape, encoded.images[0].views[0].grid, is_tried(vlm.model)
    (torch.Size([576, 128]), (24, 24), True)
    """
    require_transformers()
    import torch

    family = family_of(model)
    base = base_of(model)
    with attention_seen(model, inputs, side) as seen, _packing_seen(base, family, seen) as packed:
        output = encoder_of(model).get_image_features(**vision_inputs(model, inputs), return_dict=True)
    parts = parts_of(model, output, family.field)
    lengths = [len(part) for part in parts]
    if not untried:
        require_known_form(model, output, lengths)
    ids = inputs["input_ids"]
    features = family.place(model, torch.cat(parts))
    images = family.group(ids, _runs(ids == image_token_id(model)), lengths)
    _require_as_many_places(images, len(features))
    images, views = _with_views(model, inputs, images, packed, pictures)
    counts = [sum(map(len, image)) for image in images]
    rows = [(labels[:, 0] > 0.5).nonzero()[:, 0] for labels in packed]
    rows = rows or [torch.arange(count, device=features.device) for count in counts]
    beside = [dict(zip(seen, labels[:, 2:].T, strict=True)) for labels in packed] or _merged(
        seen, partial(family.merge or unmerged, base, inputs), counts, features.device
    )
    numbers = _numbers([image[0].prompt for image in images])
    found = [
        ImageTokens(
            prompt=image[0].prompt,
            number=numbers[place],
            features=part,
            patches=rows[place].to(features.device),
            places=torch.cat([torch.arange(run.start, run.stop, device=ids.device) for run in image]),
            views=views[place],
            side={name: values[rows[place]] for name, values in beside[place].items()},
        )
        for place, (image, part) in enumerate(zip(images, features.split(counts), strict=True))
    ]
    for image in found:
        if sum(view.count for view in image.views) != len(image.patches):
            raise InputError(
                f"The views of an image have {sum(view.count for view in image.views)} patches, but it has "
                f"{len(image.patches)}: this processor lays pictures out in a way that is not known of "
                f"{family.name}."
            )
    return EncodedImages(output, tuple(found), family)


def vision_inputs(model: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the inputs that the model's image encoder takes."""
    method = base_of(model).get_image_features
    taken = parameters_of(getattr(method, "__func__", method))
    return {name: inputs[name] for name in taken if name != "kwargs" and inputs.get(name) is not None}


@lru_cache(maxsize=64)
def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters; to look them up takes as long as a layer of a model."""
    return tuple(inspect.signature(function).parameters)


def image_token_id(model: Any) -> int:
    """Return the id of the placeholder that each visual token replaces."""
    config = model.config
    found = getattr(config, "image_token_id", None)
    if found is None:
        found = getattr(config, "image_token_index", None)
    if found is None:
        raise InputError(f"The configuration of {type(model).__name__} names no image_token_id; set it.")
    return int(found)


def _require_as_many_places(images: Sequence[ImageRuns], tokens: int) -> None:
    places = sum(len(run) for image in images for run in image)
    if places != tokens:
        raise InputError(
            f"The prompts have {places} image placeholders, but the pictures have {tokens} visual tokens: "
            "make ids and pictures with one call of the processor."
        )


def _with_views(
    model: Any,
    inputs: Mapping[str, Any],
    images: list[ImageRuns],
    packed: Sequence[torch.Tensor],
    pictures: Sequence[Picture | None] | None,
) -> tuple[list[ImageRuns], Views]:
    """Return the images with their views; pieces of one picture are put together where that is known."""
    family = family_of(model)
    known = list(pictures) if pictures is not None else [None] * len(images)
    in_pieces = family.pieces and len(known) != len(images)
    whole = _by_prompt(images) if in_pieces else images
    if len(known) != len(whole):
        raise InputError(
            f"{len(images)} images are in the prompts, but {len(known)} pictures came with them."
        )
    if not in_pieces:
        return images, [_packed_views(own) for own in packed] or family.views(model, inputs, images, known)
    views = iter(family.views(model, inputs, images, [None] * len(images)))
    prompts = [image[0].prompt for image in images]
    return whole, [
        tuple(view for _ in range(prompts.count(image[0].prompt)) for view in next(views)) for image in whole
    ]


def _by_prompt(images: Sequence[ImageRuns]) -> list[ImageRuns]:
    """Put together what stands in one prompt."""
    grouped = groupby((run for image in images for run in image), key=lambda run: run.prompt)
    return [list(runs) for _, runs in grouped]


def _runs(placeholder: torch.Tensor) -> list[PlaceholderRun]:
    """Return the runs of placeholders [B, L], in order."""
    # One copy to the host; a step in Python for every placeholder took longer than choosing the tokens.
    edges = np.diff(np.pad(placeholder.cpu().numpy().astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, stops = np.argwhere(edges == 1).tolist(), np.argwhere(edges == -1).tolist()
    return [
        PlaceholderRun(prompt, start, stop) for (prompt, start), (_, stop) in zip(starts, stops, strict=True)
    ]


def _numbers(prompts: list[int]) -> list[int]:
    """Count the images of each prompt from 0."""
    return [prompts[:place].count(prompt) for place, prompt in enumerate(prompts)]


def _merged(
    attention: Mapping[str, torch.Tensor],
    merge: Callable[[torch.Tensor], torch.Tensor],
    counts: Sequence[int],
    place: torch.device,
) -> list[dict[str, torch.Tensor]]:
    """Return the attention of the tokens of each image, merged as the model merges its patches."""
    images: list[dict[str, torch.Tensor]] = [{} for _ in counts]
    for name, values in attention.items():
        merged = merge(values).reshape(-1).to(place)
        if len(merged) != sum(counts):
            raise InputError(
                f"There is {name} of {len(merged)} tokens, but there are {sum(counts)} tokens: this image "
                "encoder merges patches in a way that is not known."
            )
        for image, own in zip(images, merged.split(list(counts)), strict=True):
            image[name] = own
    return images


@contextmanager
def _packing_seen(
    base: Any, family: Family, attention: Mapping[str, torch.Tensor]
) -> Iterator[list[torch.Tensor]]:
    """Let the packing of newline rows run once more on labels; yields the labels [n, 2 + a] of each image.

    ``attention`` holds, by the time that the model packs, one number a patch under each of ``a`` names.
    """
    labels: list[torch.Tensor] = []
    if not family.packs:
        yield labels
        return
    original: Callable[..., Any] = base.pack_image_features

    def pack(image_features: Sequence[torch.Tensor], *args: Any, **settings: Any) -> Any:
        tiles = [len(feature) for feature in image_features]
        beside = [values.split(tiles) for values in attention.values()]
        marked = [_label(feature, *own) for feature, *own in zip(image_features, *beside, strict=True)]
        newline = settings["image_newline"]
        labelled = {
            **settings,
            "image_newline": None if newline is None else newline.new_zeros(2 + len(beside)),
        }
        made = original(marked, *args, **labelled)
        # Features of several layers are packed alike, one call a layer.
        labels[:] = made[0] if isinstance(made, tuple) else made
        return original(image_features, *args, **settings)

    base.pack_image_features = pack
    try:
        yield labels
    finally:
        del base.pack_image_features


def _label(feature: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
    """Return labels [tiles, n, 2 + a] of features [tiles, n, d]: one for a patch, its tile, its a values."""
    import torch

    tiles, count = feature.shape[:2]
    tile = torch.arange(tiles, device=feature.device)[:, None].expand(tiles, count)
    beside = [one.to(feature.device) for one in values]
    return torch.stack([torch.ones_like(tile).float(), tile.float(), *beside], dim=-1)


def _packed_views(labels: torch.Tensor) -> tuple[PatchView, ...]:
    """Return the square view of the whole picture, and that of the tiles, whose rows newlines close."""
    patch = (labels[:, 0] > 0.5).tolist()
    # The first tile is the whole picture; resizing may blend the labels of the others, but not with it.
    start = next((place for place, tile in enumerate(labels[:, 1].tolist()) if tile > 0), len(patch))
    side = round(sum(patch[:start]) ** 0.5)
    base = PatchView.of_grid(side, side)
    rows = sum(not is_patch for is_patch in patch[start:])
    if rows == 0:
        return (base,)
    return (base, PatchView.of_grid(rows, sum(patch[start:]) // rows))
