"""Run the whole recipe from a seed, stage by stage; a stopped run goes on with the first unfinished stage."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from otanalysis.files import sha256_of_json
from otanalysis.locks import held
from otanalysis.mini.digits import digit_bank
from otanalysis.mini.geometry import GRID
from otanalysis.mini.training.architecture import build_model, build_processor
from otanalysis.mini.training.language import (
    LanguageStage,
    SceneCache,
    align_projector,
    cache_scenes,
    measure_language,
    train_language_stage,
)
from otanalysis.mini.training.vision import PatchHeads, VisionStage, measure_vision, train_vision_stage
from otanalysis.scenes.training.checkpoints import read_checkpoint, write_checkpoint
from otanalysis.scenes.training.device import move
from otanalysis.scenes.training.log import TrainingLog


@dataclass(frozen=True)
class Recipe:
    """Everything that the training depends on beside the seed; the default made the bundled model.

    Attributes
    ----------
    vision, language
        The stages, in order.
    variants
        Warped copies of every training digit.
    projector_steps
        Steps that set the projector on the vocabulary.
    scenes, held_out_scenes
        Scenes whose features the language stages train on, and are measured on.
    """

    vision: tuple[VisionStage, ...] = (
        VisionStage("vision-crops-6", 6, 1, 128, 3000, 2e-3),
        VisionStage("vision-crops-12", 12, 4, 32, 2000, 1.5e-3),
        VisionStage("vision-scenes", GRID, 0, 8, 1000, 1.2e-3),
        VisionStage("vision-places", GRID, 0, 8, 600, 1e-3, places=True),
    )
    language: tuple[LanguageStage, ...] = (
        LanguageStage("language-subsets", 128, 16, 16, 3200, 1.5e-3),
        LanguageStage("language-all", None, 8, 24, 1200, 1e-3),
    )
    variants: int = 16
    projector_steps: int = 800
    scenes: int = 8_000
    held_out_scenes: int = 320


def training_folder(work: Path, seed: int, recipe: Recipe | None = None) -> Path:
    """Return where below ``work`` the checkpoints and the curve of a seed and recipe are.

    Parameters
    ----------
    work
        Folder of all trainings.
    seed, recipe
        As for :func:`train`.
    """
    content = [version("otanalysis"), seed, repr(recipe or Recipe())]
    return work / f"seed-{seed}-{sha256_of_json(content)[:8]}"


def _stage(
    path: Path,
    modules: dict[str, nn.Module],
    seeds: tuple[int, int],
    run: Callable[[np.random.Generator], None],
) -> None:
    """Load the modules' state after a stage if it was finished before, else run the stage and save it."""
    data = read_checkpoint(path)
    if data is not None:
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        for name, module in modules.items():
            module.load_state_dict(state[name])
        return
    torch.manual_seed(seeds[0] + 1000 * (seeds[1] + 1))
    run(np.random.default_rng(seeds))
    buffer = io.BytesIO()
    torch.save({name: module.state_dict() for name, module in modules.items()}, buffer)
    write_checkpoint(path, buffer.getvalue())


def _train_vision(tower: CLIPVisionModel, recipe: Recipe, work: Path, seed: int, log: TrainingLog) -> None:
    heads = PatchHeads().to(tower.device)
    train_bank, test_bank = digit_bank("train", variants=recipe.variants), digit_bank("test")
    for number, stage in enumerate(recipe.vision):

        def run(generator: np.random.Generator, stage: VisionStage = stage) -> None:
            train_vision_stage(tower, heads, stage, train_bank, generator, log)
            held_out = measure_vision(tower, heads, test_bank, np.random.default_rng([seed, 99]))
            log.row(f"{stage.name}-held-out", stage.steps, float("nan"), held_out)

        _stage(work / f"{stage.name}.pt", {"tower": tower, "heads": heads}, (seed, number), run)


def _train_language(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    work: Path,
    seed: int,
    log: TrainingLog,
) -> None:
    tower = model.model.vision_tower
    modules: dict[str, nn.Module] = {
        "projector": model.model.multi_modal_projector,
        "language": model.model.language_model,
    }
    paths = [work / f"{stage.name}.pt" for stage in recipe.language]
    if all(read_checkpoint(path, say=False) is not None for path in (work / "projector.pt", *paths)):
        cache = held_out = SceneCache((), torch.empty(0))
    else:
        generator = np.random.default_rng([seed, 50])
        bank = digit_bank("train", variants=recipe.variants)
        cache = cache_scenes(tower, bank, generator, recipe.scenes, log)
        held_out = cache_scenes(
            tower, digit_bank("test"), generator, recipe.held_out_scenes, log, stage="cache-held-out"
        )

    def align(generator: np.random.Generator) -> None:
        align_projector(model, cache, tokenizer, generator, log, steps=recipe.projector_steps)

    _stage(work / "projector.pt", modules, (seed, 10), align)
    for number, stage in enumerate(recipe.language):

        def run(generator: np.random.Generator, stage: LanguageStage = stage) -> None:
            train_language_stage(model, stage, cache, tokenizer, generator, log)
            shares = measure_language(model, stage, held_out, tokenizer, np.random.default_rng([seed, 98]))
            for kind, share in shares.items():
                log.row(f"{stage.name}-held-out-{kind}", stage.steps, float("nan"), share)

        _stage(paths[number], modules, (seed, 11 + number), run)


def train(
    work: Path,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    wait: bool = False,
) -> LlavaForConditionalGeneration:
    """Train the bundled model.

    Parameters
    ----------
    work
        Folder of all trainings. The checkpoint of every stage and ``training.csv``, the curve, are in
        :func:`training_folder`, of this seed and recipe alone. A stage whose checkpoint is there, whole, is
        not trained again; with which versions of torch and NumPy it was, is said if they have changed.
    recipe
        What to train with; by default what made the bundled model.
    seed
        Seed of everything random.
    threads
        CPU threads for torch.
    device
        Where torch computes, such as ``"cuda"``; the numbers then differ slightly from the CPU's.
    wait
        Wait for another process that trains there, in place of refusing.

    Returns
    -------
    LlavaForConditionalGeneration
        The trained model, float32.

    Raises
    ------
    InputError
        If torch cannot use the device.
    StorageError
        If the folder cannot be written, or another process trains there.
    """
    recipe = recipe or Recipe()
    torch.set_num_threads(threads)
    model = build_model(seed)
    move(model, device)
    tokenizer = build_processor().tokenizer
    place = training_folder(work, seed, recipe)
    with held(place, "training", wait=wait), TrainingLog(place / "training.csv") as log:
        _train_vision(model.model.vision_tower, recipe, place, seed, log)
        _train_language(model, tokenizer, recipe, place, seed, log)
    return model
