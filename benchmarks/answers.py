"""Time to the first token and memory of a model that answers, with and without pruning."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from common import PeakMemory, Record, now, timed

if TYPE_CHECKING:
    import torch
    from rich.progress import Progress

    from otanalysis.vlm import VisionLanguageModel

__all__ = ["Answers"]


class Stamps:
    """A stopping criterion of transformers that never stops, and notes when each new token is there."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: list[float] = []

    def __call__(self, input_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """Note the time; go on."""
        import torch

        self.seconds.append(now(self.device))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


@dataclass(frozen=True, eq=False)
class Answers:
    """One question about one picture each, asked of a batch of them again and again.

    Attributes
    ----------
    vlm, inputs
        The model, and what its processor made of the question.
    clouds : list of torch.Tensor [m, d]
        The visual tokens of the pictures, for the time of selection alone.
    method
        Method that selects.
    words
        Length of an answer.
    device
        Where the model is.
    """

    vlm: VisionLanguageModel
    inputs: Any
    clouds: list[torch.Tensor]
    method: str
    words: int
    device: str

    @classmethod
    def to(cls, vlm: VisionLanguageModel, inputs: Any, *, method: str, words: int, device: str) -> Answers:
        """Return the answers to prepared inputs of prompts with one picture each."""
        import torch

        with torch.inference_mode():
            encoded = vlm.model.get_image_features(pixel_values=inputs["pixel_values"])
        return cls(vlm, inputs, list(encoded.pooler_output), method, words, device)

    def measure(self, keeps: Sequence[int], repeats: int, bar: Progress) -> list[Record]:
        """Return medians over the repeats, first without pruning; ratios are taken within each repeat."""
        settings: list[int | None] = [None, *keeps]
        for keep in (None, keeps[-1]):
            self.once(keep)  # loads libraries and kernels
        runs: list[list[Record]] = []
        task = bar.add_task("answers", total=repeats * len(settings))
        for _ in range(repeats):
            runs.append([])
            for keep in settings:
                runs[-1].append(self.once(keep))
                bar.advance(task)
        # One column a setting: its record of every repeat.
        unpruned, *pruned = zip(*runs, strict=True)
        return [_summary(own, unpruned) for own in (unpruned, *pruned)]

    def once(self, keep: int | None) -> Record:
        """Answer with ``keep`` visual tokens, or without pruning if it is None."""
        from otanalysis import select_batch
        from otanalysis.vlm import Pruned

        memory = PeakMemory(self.device)
        memory.reset()
        if keep is None:
            kept, stamps = len(self.clouds[0]), self._generate()
        else:
            with Pruned(self.vlm.model, self.method, keep=keep) as pruned:
                stamps = self._generate()
            kept = pruned.last.images[0].keep if pruned.last else 0
        peak = memory.gigabytes()
        selection = 0.0
        if keep is not None and keep < len(self.clouds[0]):
            selection = timed(partial(select_batch, self.clouds, self.method, keep=keep), self.device)[1]
        start, first, *_, last = stamps
        return {
            "batch": len(self.clouds),
            "pruned": keep is not None,
            "kept": kept,
            "first": first - start,
            "next": (last - first) / (self.words - 1),
            "selection": selection,
            "peak_gb": peak,
        }

    def _generate(self) -> list[float]:
        """Return when the call began and when each of the new tokens was there."""
        import torch
        from transformers import StoppingCriteriaList

        stamps = Stamps(self.device)
        start = now(self.device)
        with torch.inference_mode():
            self.vlm.model.generate(
                **self.inputs,
                max_new_tokens=self.words,
                do_sample=False,
                stopping_criteria=StoppingCriteriaList([stamps]),
            )
        return [start, *stamps.seconds]


def _summary(own: Sequence[Record], unpruned: Sequence[Record]) -> Record:
    """Return medians of one setting, and of its ratios to the unpruned answer of the same repeat."""
    row: Record = {name: own[0][name] for name in ("batch", "pruned", "kept")}
    for name in ("first", "next", "selection"):
        row[f"{name}_seconds"] = statistics.median(one[name] for one in own)
    for name in ("first", "next"):
        pairs = zip(own, unpruned, strict=True)
        row[f"{name}_ratio"] = statistics.median(one[name] / whole[name] for one, whole in pairs)
    return row | {"peak_gb": max(one["peak_gb"] for one in own)}
