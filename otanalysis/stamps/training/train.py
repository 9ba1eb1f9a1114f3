"""Teach the adapter; a run that was stopped goes on where it was, with the numbers of an unbroken one."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from otanalysis.progress import unbroken
from otanalysis.scenes import Question
from otanalysis.scenes.training.checkpoints import read_checkpoint, write_checkpoint
from otanalysis.scenes.training.log import TrainingLog
from otanalysis.scenes.training.packing import Asked, pack, packed_logits
from otanalysis.stamps.assembly.model import IMAGE_TOKEN
from otanalysis.stamps.training.adapter import ChangedLanguage, LearningAdapter, Projector
from otanalysis.stamps.training.encoding import EncodedScenes
from otanalysis.vlm.answer import question_prompt

if TYPE_CHECKING:
    from transformers import LlamaModel

STAGE: Final = "adapter"
"""What the curve calls the steps."""

WINDOW: Final = 25
"""Steps of which a row of the curve is the mean."""

_SAVED_EVERY = 60.0  # seconds: what a killed process loses at most, beside a step
_SHOWN = 3455  # steps of the prototype, by which its seconds are told as shares


@dataclass(frozen=True)
class AdapterRecipe:
    """Everything that the training depends on beside scenes and seed; the default is the prototype's.

    What that had in seconds, of 280, is here in steps: in its first 25 seconds it took 160 of them.

    Attributes
    ----------
    steps
        Steps of the optimiser.
    scenes
        How many there are to learn from, at most; no more are drawn than the steps want.
    batch
        Scenes a step.
    words
        Words of questions and answers behind a picture, at most; a question too many is left out.
    rank
        Of the changes.
    projector_rate, change_rate
        Largest learning rates.
    warm, alone, growing
        Shares of the steps: in which the projector's rate grows, in which it learns alone, and in which the
        rate of the changes grows thereafter.
    """

    steps: int = _SHOWN
    scenes: int = 24_000
    batch: int = 32
    words: int = 261
    rank: int = 16
    projector_rate: float = 1e-3
    change_rate: float = 8e-4
    warm: float = 60 / _SHOWN
    alone: float = 160 / _SHOWN
    growing: float = 110 / _SHOWN

    @property
    def drawn(self) -> int:
        """Scenes that are drawn, painted and encoded."""
        return min(self.scenes, self.steps * self.batch)

    def rates(self, step: int) -> tuple[float, float]:
        """Return the learning rates of projector and changes at a step, from 0: a cosine down to 3 %.

        >>> rates = AdapterRecipe().rates
        >>> [tuple(round(1e3 * rate, 3) for rate in rates(step)) for step in (0, 59, 270, 3455)]
        [(0.017, 0.0), (0.999, 0.0), (0.985, 0.788), (0.03, 0.024)]
        """
        done = step / self.steps
        falling = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done))
        warmed = min(1.0, (step + 1) / (self.warm * self.steps))
        grown = min(1.0, max(0.0, done - self.alone) / self.growing)
        return self.projector_rate * warmed * falling, self.change_rate * grown * falling


class Teacher:
    """An adapter that is taught: what it learns from, the optimiser, and how many steps it has had.

    Parameters
    ----------
    model
        The pretrained language model, float32, on the device that computes: a GPU in bfloat16.
    processor
        Of the whole model: how questions are put, and their words.
    scenes
        The encoded scenes.
    recipe
        How it learns.
    seed
        Of the first numbers of the adapter and of the order of the scenes.
    """

    def __init__(
        self, model: LlamaModel, processor: Any, scenes: EncodedScenes, recipe: AdapterRecipe, seed: int
    ) -> None:
        on_gpu = model.device.type == "cuda"
        self.language = ChangedLanguage(model, torch.bfloat16 if on_gpu else torch.float32)
        self.scenes, self.recipe, self.seed = scenes, recipe, seed
        self.wording = Wording(processor)
        self.step = 0
        torch.manual_seed(seed)
        words: Any = model.get_input_embeddings()
        table = words.weight.float().cpu()
        features = scenes.parts[0].float()
        projector = Projector(features.shape[-1], table.shape[-1])
        projector.begin(features, table)
        self.adapter = LearningAdapter(projector, self.language, recipe.rank).to(model.device)
        groups = [{"params": list(part.parameters())} for part in (self.adapter.projector, self.adapter.lora)]
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)

    def batch(self) -> list[int]:
        """Return the numbers of the scenes of the step at hand: every epoch has an order of its own."""
        whole = max(1, len(self.scenes) // self.recipe.batch)
        epoch, place = divmod(self.step, whole)
        generator = torch.Generator().manual_seed(1 + self.seed)
        for _ in range(epoch + 1):
            order = torch.randperm(len(self.scenes), generator=generator)
        return order[place * self.recipe.batch :][: self.recipe.batch].tolist()

    def logits(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the logits ``[n, v]`` of all words of the answers about some scenes, and those words."""
        model = self.language.model
        words: Any = model.get_input_embeddings()
        features = self.scenes.features(numbers).to(model.device)
        visual = self.adapter.projector(features).to(model.dtype)
        first = self.wording.first
        places = torch.arange(visual.shape[1], device=model.device) + len(first)
        asked = [self.wording.fitting(self.scenes.questions[one], self.recipe.words) for one in numbers]
        return packed_logits(
            lambda **inputs: self.language(self.adapter, **inputs),
            words,
            lambda hidden: F.linear(hidden, words.weight),
            first=first,
            visual=visual,
            places=places.expand(len(visual), -1),
            packed=pack(asked, model.device),
        )

    def learn(self, log: TrainingLog) -> None:
        """Take one step, or none at all where Ctrl-C comes."""
        for group, rate in zip(self.optimiser.param_groups, self.recipe.rates(self.step), strict=True):
            group["lr"] = rate
        logits, targets = self.logits(self.batch())
        loss = F.cross_entropy(logits.float(), targets)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.adapter.parameters(), 1.0)
        right = float((logits.argmax(-1) == targets).float().mean())
        with unbroken():
            self.optimiser.step()
            self.step += 1
        told = {"loss": float(loss.detach()), "accuracy": right}
        log(stage=STAGE, step=self.step - 1, steps=self.recipe.steps, **told)

    def teach(self, checkpoint: Path, log: TrainingLog) -> None:
        """Take the steps that are left, from a checkpoint on if there is one, and keep what was learned.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C; the checkpoint then holds all steps that were taken.
        StorageError
            There is no room for a checkpoint.
        """
        self._resume(checkpoint)
        kept, last = self.step, time.monotonic()
        try:
            while self.step < self.recipe.steps:
                self.learn(log)
                if time.monotonic() - last > _SAVED_EVERY:
                    self._keep(checkpoint)
                    kept, last = self.step, time.monotonic()
        finally:
            if self.step > kept:
                self._keep(checkpoint)

    def _keep(self, checkpoint: Path) -> None:
        buffer = io.BytesIO()
        state = {
            "step": self.step,
            "adapter": self.adapter.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        torch.save(state, buffer)
        write_checkpoint(checkpoint, buffer.getvalue())

    def _resume(self, checkpoint: Path) -> None:
        data = read_checkpoint(checkpoint)
        if data is None:
            return
        state = torch.load(io.BytesIO(data), map_location=self.language.model.device, weights_only=True)
        self.adapter.load_state_dict(state["adapter"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


class Wording:
    """How questions and answers become numbers of words: as the model is asked, piece by piece.

    Parameters
    ----------
    processor
        Of the model.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._known: dict[Question, Asked] = {}
        self.first = self._numbers(self._around("")[0])
        self._end = [processor.tokenizer.eos_token_id]

    def fitting(self, questions: Sequence[Question], most: int) -> list[Asked]:
        """Return those questions, in their order, that all together have at most so many words."""
        fitting: list[Asked] = []
        for one in questions:
            asked = self._asked(one)
            length = sum(map(len, asked)) - 1
            if length <= most:
                fitting.append(asked)
                most -= length
        return fitting

    def _asked(self, question: Question) -> Asked:
        if question not in self._known:
            behind = self._around(question.text)[1]
            answer = [*self._numbers(question.answer), *self._end]
            self._known[question] = (self._numbers(behind), answer)
        return self._known[question]

    def _around(self, text: str) -> tuple[str, str]:
        """Return what stands before and behind the picture where a question is asked."""
        before, _, behind = question_prompt(self._processor, text).partition(IMAGE_TOKEN)
        return before, behind

    def _numbers(self, text: str) -> list[int]:
        numbers: list[int] = self._processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return numbers
