"""Train the language model on cached visual features, with many questions packed behind one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from otanalysis.mini.digits import DigitBank
from otanalysis.mini.geometry import COLOURS, GRID, PLACES
from otanalysis.mini.questions import QUESTIONS
from otanalysis.mini.scenes import LAYOUTS, Scene, paint
from otanalysis.mini.training.architecture import LANGUAGE_WIDTH, position_table
from otanalysis.mini.training.vision import CLASSES, encode_window, patch_labels, pixels_of
from otanalysis.scenes import Question
from otanalysis.scenes.training.packing import UNASKED, Packed, pack, packed_logits

LAYOUT_SHARES: Final = {"scatter": 0.38, "cells": 0.34, "row": 0.18, "mosaic": 0.10}
_EASY: Final = {"shape-colour": 0.4, "mosaic-majority": 0.4, "digit-colour": 0.7, "read-row": 2.0}
KIND_SHARES: Final = {
    kind: _EASY.get(kind, 1.0) / sum(_EASY.get(kind, 1.0) for kind in QUESTIONS) for kind in QUESTIONS
}
"""How often a kind of question is asked in training: what is learned last is asked more often."""


@dataclass(frozen=True)
class LanguageStage:
    """Steps of training with ``tokens`` visual tokens a scene (None: all of them)."""

    name: str
    tokens: int | None
    batch: int
    questions: int
    steps: int
    rate: float


@dataclass(frozen=True)
class SceneCache:
    """Scenes with the frozen tower's features, ``float16`` of shape ``[n, 576, width]``."""

    scenes: tuple[Scene, ...]
    features: Tensor


@torch.no_grad()
def cache_scenes(
    tower: CLIPVisionModel,
    bank: DigitBank,
    generator: np.random.Generator,
    count: int,
    report: Callable[..., None],
    *,
    stage: str = "cache",
    batch: int = 16,
) -> SceneCache:
    """Draw, paint and encode ``count`` scenes of mixed layouts (``count`` is rounded up to whole batches)."""
    scenes: list[Scene] = []
    features = []
    steps = -(-count // batch)
    for step in range(steps):
        names = generator.choice(list(LAYOUT_SHARES), size=batch, p=list(LAYOUT_SHARES.values()))
        drawn = [LAYOUTS[str(name)](generator) for name in names]
        pixels = pixels_of(np.stack([paint(scene, bank, generator) for scene in drawn]))
        corners = torch.zeros(batch, 2, dtype=torch.long, device=tower.device)
        features.append(encode_window(tower, pixels.to(tower.device), corners, GRID).half().cpu())
        scenes.extend(drawn)
        report(stage=stage, step=step, steps=steps)
    return SceneCache(tuple(scenes), torch.cat(features))


def align_projector(
    model: LlavaForConditionalGeneration,
    cache: SceneCache,
    tokenizer: PreTrainedTokenizerFast,
    generator: np.random.Generator,
    report: Callable[..., None],
    *,
    steps: int = 800,
) -> None:
    """Regress the projector on the words for what a patch shows: its class, colour and place.

    Without this start a language model of this size does not discover within the time there is that visual
    tokens speak its vocabulary.
    """
    words: Tensor = model.lm_head.weight.detach().cpu()  # tied to the input embeddings
    embed = {word: words[number] for word, number in tokenizer.get_vocab().items()}
    zero = torch.zeros(LANGUAGE_WIDTH)
    scale = float(words.norm(dim=1).mean()) / LANGUAGE_WIDTH**0.5
    by_class = torch.stack(
        [embed.get(name, zero) + (0.7 * embed["digit"] if name.isdigit() else zero) for name in CLASSES]
    )
    by_colour = torch.stack([zero, *(embed[name] for name in COLOURS)])
    sizes = 0.5 * scale * torch.randn(2, LANGUAGE_WIDTH)
    by_size = torch.cat([zero[None], sizes, 0.7 * embed["largest"][None]])
    corner = torch.stack([zero, torch.randn(LANGUAGE_WIDTH) * scale])
    table = position_table().reshape(GRID * GRID, -1)
    place = table @ torch.randn(table.shape[1], LANGUAGE_WIDTH) * scale / table.shape[1] ** 0.5
    third = GRID // 3
    cell = [PLACES[3 * (p // GRID // third) + p % GRID // third] for p in range(GRID * GRID)]
    place = place + 0.8 * torch.stack([embed[name] for name in cell])
    projector = model.model.multi_modal_projector
    optimiser = torch.optim.AdamW(projector.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, steps)
    for step in range(steps):
        chosen = generator.integers(len(cache.scenes), size=8)
        labels = torch.from_numpy(np.stack([patch_labels(cache.scenes[i]) for i in chosen], axis=1))
        target = by_class[labels[0]] + by_colour[labels[1]] + by_size[labels[2]] + corner[labels[3]] + place
        features = cache.features[chosen].float().to(model.device)
        loss = F.mse_loss(projector(features), target.to(model.device)) / scale**2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        report(stage="projector", step=step, steps=steps, loss=float(loss.detach()))


def _ask(scene: Scene, count: int, generator: np.random.Generator) -> list[tuple[str, Question]]:
    """Ask ``count`` questions of random kinds, as far as the scene admits them."""
    asked = []
    for kind in generator.choice(list(QUESTIONS), size=2 * count, p=list(KIND_SHARES.values())):
        question = QUESTIONS[str(kind)](scene, generator)
        if question is not None:
            asked.append((str(kind), question))
    return asked[:count]


def _pack(
    asked: Sequence[Sequence[tuple[str, Question]]], tokenizer: PreTrainedTokenizerFast, device: torch.device
) -> Packed:
    """Put the questions of each scene in a row, as the numbers of their words."""
    end = int(tokenizer.eos_token_id)
    vocabulary = tokenizer.get_vocab()

    def numbers(text: str) -> list[int]:
        return [vocabulary[word] for word in text.split()]

    rows = [[(numbers(one.text), [*numbers(one.answer), end]) for _, one in row] for row in asked]
    return pack(rows, device)


def _subset(scene: Scene, tokens: int, generator: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draw object-rich tokens without replacement (Gumbel top-k); ascending."""
    labels = patch_labels(scene)
    weight = np.where(labels[0] > 0, 1.0, 0.12) + 2.0 * labels[3]
    keys = np.log(weight) + generator.gumbel(size=weight.shape)
    return np.sort(np.argpartition(-keys, tokens)[:tokens])


def _logits(
    model: LlavaForConditionalGeneration, visual: Tensor, places: Tensor, packed: Packed, bos: int
) -> tuple[Tensor, Tensor]:
    """Return the logits at the positions that have a target, and those targets."""
    return packed_logits(
        model.model.language_model,
        model.get_input_embeddings(),
        model.lm_head,
        first=[bos],
        visual=model.model.multi_modal_projector(visual),
        places=places,
        packed=packed,
    )


def _step(
    model: LlavaForConditionalGeneration,
    stage: LanguageStage,
    cache: SceneCache,
    tokenizer: PreTrainedTokenizerFast,
    generator: np.random.Generator,
) -> tuple[Tensor, Tensor, Packed, list[list[str]]]:
    """Return logits, targets, the packed questions and the kind of each, of a batch that is drawn."""
    chosen = generator.integers(len(cache.scenes), size=stage.batch)
    scenes = [cache.scenes[i] for i in chosen]
    asked = [_ask(scene, stage.questions, generator) for scene in scenes]
    packed = _pack(asked, tokenizer, model.device)
    features = cache.features[chosen]
    if stage.tokens is None:
        places = torch.arange(1, GRID * GRID + 1).expand(stage.batch, -1)
        visual = features.float()
    else:
        kept = torch.from_numpy(np.stack([_subset(scene, stage.tokens, generator) for scene in scenes]))
        visual = features.gather(1, kept[:, :, None].expand(-1, -1, features.shape[2])).float()
        # Places of the whole grid, half of the time, prepare the rotary positions for all tokens.
        whole = bool(generator.random() < 0.5)
        places = 1 + (kept if whole else torch.arange(stage.tokens).expand_as(kept))
    visual, places = visual.to(model.device), places.to(model.device)
    logits, targets = _logits(model, visual, places, packed, int(tokenizer.bos_token_id))
    return logits, targets, packed, [[kind for kind, _ in row] for row in asked]


def train_language_stage(
    model: LlavaForConditionalGeneration,
    stage: LanguageStage,
    cache: SceneCache,
    tokenizer: PreTrainedTokenizerFast,
    generator: np.random.Generator,
    report: Callable[..., None],
) -> None:
    """Train projector and language model in place for one stage; accuracy is that of answer words."""
    projector = list(model.model.multi_modal_projector.parameters())
    language = list(model.model.language_model.parameters())
    parameters = projector + language
    # A projector as fast as the rest forgets the vocabulary and the places before these are of use.
    rates = [0.1 * stage.rate, stage.rate]
    groups = [{"params": projector, "lr": rates[0]}, {"params": language, "lr": rates[1]}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.03, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, stage.steps, pct_start=0.06)
    for step in range(stage.steps):
        logits, targets, _, _ = _step(model, stage, cache, tokenizer, generator)
        loss = F.cross_entropy(logits, targets)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        right = float((logits.argmax(-1) == targets).float().mean())
        report(stage=stage.name, step=step, steps=stage.steps, loss=float(loss.detach()), accuracy=right)


@torch.no_grad()
def measure_language(
    model: LlavaForConditionalGeneration,
    stage: LanguageStage,
    cache: SceneCache,
    tokenizer: PreTrainedTokenizerFast,
    generator: np.random.Generator,
    steps: int = 20,
) -> dict[str, float]:
    """Return, per kind, the share of answers with every word right, each given the true words before it."""
    right: dict[str, list[bool]] = {kind: [] for kind in QUESTIONS}
    for _ in range(steps):
        logits, targets, packed, kinds = _step(model, stage, cache, tokenizer, generator)
        hits = iter((logits.argmax(-1) == targets).tolist())
        row, column = torch.nonzero(packed.targets != UNASKED, as_tuple=True)
        groups = packed.groups[row, column].tolist()
        outcome: dict[tuple[int, int], bool] = {}
        for image, group, hit in zip(row.tolist(), groups, hits, strict=True):
            outcome[image, group] = outcome.get((image, group), True) and hit
        for (image, group), hit in outcome.items():
            right[kinds[image][group - 1]].append(hit)
    return {kind: float(np.mean(values)) for kind, values in right.items() if values}
