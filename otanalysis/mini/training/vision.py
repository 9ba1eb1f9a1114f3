"""Train the vision tower to name what every patch belongs to, on crops first and then on whole scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

from otanalysis.mini.digits import DigitBank
from otanalysis.mini.geometry import COLOURS, GRID, SHAPES, SIZES
from otanalysis.mini.scenes import LAYOUTS, Scene, SceneObject, paint
from otanalysis.mini.training.architecture import PIXEL_MEAN, PIXEL_STD, VISION_WIDTH

CLASSES: Final = ("nothing", *(str(digit) for digit in range(10)), *SHAPES)


@dataclass(frozen=True)
class VisionStage:
    """Steps of training on scenes of one grid; ``objects`` is the most objects a crop holds.

    With ``places`` the tower must also tell the row and column of every patch: what is learned without it
    drowns the position codes, and no language model then learns where things are.
    """

    name: str
    grid: int
    objects: int
    batch: int
    steps: int
    rate: float
    places: bool = False


class PatchHeads(nn.Module):
    """Linear heads used in training only: class, colour, size and upper left corner of a patch's object."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(VISION_WIDTH)
        self.widths = (len(CLASSES), 1 + len(COLOURS), 1 + len(SIZES), 2)
        self.linear = nn.Linear(VISION_WIDTH, sum(self.widths) + 2)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Split ``[..., width]`` features into the logits of each head and two coordinates."""
        outputs: tuple[Tensor, ...] = self.linear(self.norm(features)).split((*self.widths, 2), dim=-1)
        return outputs


class PlaceHeads(nn.Module):
    """Linear heads used in training only: row and column of a patch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(VISION_WIDTH)
        self.linear = nn.Linear(VISION_WIDTH, 2 * GRID)

    def loss(self, features: Tensor) -> Tensor:
        """Return the mean cross-entropy for the features ``[b, 576, width]`` of whole scenes."""
        rows, columns = self.linear(self.norm(features)).split(GRID, dim=-1)
        place = torch.arange(GRID * GRID, device=features.device).expand(len(features), -1)
        return F.cross_entropy(rows.flatten(0, 1), (place // GRID).flatten()) + F.cross_entropy(
            columns.flatten(0, 1), (place % GRID).flatten()
        )


def patch_labels(scene: Scene) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return ``[4, grid * grid]`` labels: class, colour, size (0: background) and object corner (0 or 1)."""
    labels = np.zeros((4, scene.grid, scene.grid), dtype=np.int64)
    for thing in scene.objects:
        box = (slice(thing.row, thing.row + thing.size), slice(thing.column, thing.column + thing.size))
        labels[0][box] = CLASSES.index(thing.label)
        labels[1][box] = 1 + COLOURS.index(thing.colour)
        labels[2][box] = 1 + SIZES.index(thing.size)
        labels[3, thing.row, thing.column] = 1
    return labels.reshape(4, -1)


def pixels_of(pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """Normalise ``[b, h, w, 3]`` pictures as the processor does; the result is ``[b, 3, h, w]``."""
    scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0
    return (scaled - PIXEL_MEAN) / PIXEL_STD


def encode_window(tower: CLIPVisionModel, pixels: Tensor, corners: Tensor, grid: int) -> Tensor:
    """Run the tower on crops at ``corners`` ``[b, 2]`` of the position table; ``[b, grid**2, width]``."""
    embeddings = tower.embeddings
    patches = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
    steps = torch.arange(grid, device=pixels.device)
    rows = corners[:, 0, None, None] + steps[None, :, None]
    columns = corners[:, 1, None, None] + steps[None, None, :]
    places = 1 + (rows * GRID + columns).flatten(1)
    table = embeddings.position_embedding.weight
    first = (embeddings.class_embedding + table[0]).expand(len(pixels), 1, -1)
    hidden = tower.pre_layrnorm(torch.cat([first, patches + table[places]], dim=1))
    encoded: Tensor = tower.encoder(inputs_embeds=hidden).last_hidden_state
    return encoded[:, 1:]


def _crop_scene(stage: VisionStage, generator: np.random.Generator) -> Scene:
    """Draw a scene of the stage's grid; whole scenes come from the benchmarks' layouts."""
    if stage.grid == GRID:
        return LAYOUTS[str(generator.choice(list(LAYOUTS)))](generator)
    free = np.ones((stage.grid, stage.grid), dtype=bool)
    objects: list[SceneObject] = []
    for _ in range(int(generator.integers(1, stage.objects + 1))):
        size = int(generator.choice([s for s in SIZES if s <= stage.grid]))
        row, column = (int(x) for x in generator.integers(0, stage.grid - size + 1, size=2))
        box = (slice(row, row + size), slice(column, column + size))
        if free[box].all():
            free[box] = False
            label = str(generator.integers(10)) if generator.random() < 0.8 else str(generator.choice(SHAPES))
            objects.append(SceneObject(label, str(generator.choice(COLOURS)), size, row, column))
    return Scene(tuple(objects), stage.grid)


def _batch(
    stage: VisionStage, bank: DigitBank, generator: np.random.Generator, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    scenes = [_crop_scene(stage, generator) for _ in range(stage.batch)]
    pixels = pixels_of(np.stack([paint(scene, bank, generator) for scene in scenes]))
    labels = torch.from_numpy(np.stack([patch_labels(scene) for scene in scenes], axis=1))
    corners = torch.from_numpy(generator.integers(0, GRID - stage.grid + 1, size=(stage.batch, 2)))
    return pixels.to(device), labels.to(device), corners.to(device)


def patch_loss(
    outputs: tuple[Tensor, ...], labels: Tensor, corners: Tensor, grid: int
) -> tuple[Tensor, float]:
    """Return the loss and the share of digit patches whose digit is named right."""
    what = labels[0]
    weight = torch.ones(len(CLASSES), device=labels.device)
    weight[0] = 0.3
    loss = F.cross_entropy(outputs[0].flatten(0, 1), what.flatten(), weight=weight, label_smoothing=0.02)
    for head, scale in ((1, 0.4), (2, 0.3), (3, 0.3)):
        loss = loss + scale * F.cross_entropy(outputs[head].flatten(0, 1), labels[head].flatten())
    steps = torch.arange(grid, device=labels.device)
    rows = (corners[:, 0, None] + steps.repeat_interleave(grid)) / GRID
    columns = (corners[:, 1, None] + steps.repeat(grid)) / GRID
    loss = loss + F.mse_loss(outputs[4], torch.stack([rows, columns], dim=2))
    digits = (what >= 1) & (what <= 10)
    right = (outputs[0].argmax(-1) == what)[digits].float().mean()
    return loss, float(right)


def train_vision_stage(
    tower: CLIPVisionModel,
    heads: PatchHeads,
    stage: VisionStage,
    bank: DigitBank,
    generator: np.random.Generator,
    report: Callable[..., None],
) -> None:
    """Train the tower in place for one stage; ``report`` receives step, loss and digit-patch accuracy."""
    parameters = [p for n, p in tower.named_parameters() if "position" not in n] + list(heads.parameters())
    place_heads = PlaceHeads().to(tower.device) if stage.places else None
    if place_heads is not None:
        parameters += place_heads.parameters()
    optimiser = torch.optim.AdamW(parameters, lr=stage.rate, weight_decay=0.02, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, stage.rate, stage.steps, pct_start=0.08)
    for step in range(stage.steps):
        pixels, labels, corners = _batch(stage, bank, generator, tower.device)
        features = encode_window(tower, pixels, corners, stage.grid)
        loss, right = patch_loss(heads(features), labels, corners, stage.grid)
        if place_heads is not None:
            loss = loss + 0.3 * place_heads.loss(features)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        report(stage=stage.name, step=step, steps=stage.steps, loss=float(loss.detach()), accuracy=right)


@torch.no_grad()
def measure_vision(
    tower: CLIPVisionModel,
    heads: PatchHeads,
    bank: DigitBank,
    generator: np.random.Generator,
    batches: int = 12,
) -> float:
    """Return the share of digit patches named right on whole scenes painted with the digits of ``bank``."""
    stage = VisionStage("measure", GRID, 0, 8, 0, 0.0)
    shares = []
    for _ in range(batches):
        pixels, labels, corners = _batch(stage, bank, generator, tower.device)
        outputs = heads(encode_window(tower, pixels, corners, GRID))
        shares.append(patch_loss(outputs, labels, corners, GRID)[1])
    return float(np.mean(shares))
