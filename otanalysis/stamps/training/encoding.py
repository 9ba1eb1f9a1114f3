"""What the image encoder makes of the scenes of the training: computed once, and kept on disk."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor
from torch.utils.data import DataLoader

from otanalysis.scenes import Question
from otanalysis.scenes.training.checkpoints import read_checkpoint, write_checkpoint
from otanalysis.scenes.training.log import TrainingLog
from otanalysis.stamps.training.lessons import Lesson, Lessons

if TYPE_CHECKING:
    from transformers import Dinov2Model

PART: Final = 500
"""Scenes a file, 221 MB of the real encoder."""

_AT_ONCE = 20  # pictures; divides the scenes of a file


@dataclass(frozen=True)
class EncodedScenes:
    """Scenes as the projector gets them.

    Attributes
    ----------
    parts
        Features of :data:`PART` scenes each, the last of fewer: float16, ``[n, m, d]``; they lie on disk.
    questions
        Those of every scene.
    """

    parts: tuple[Tensor, ...]
    questions: tuple[tuple[Question, ...], ...]

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.questions)

    def features(self, numbers: Sequence[int]) -> Tensor:
        """Return the features of some scenes, float32 of shape ``[b, m, d]``."""
        return torch.stack([self.parts[one // PART][one % PART] for one in numbers]).float()


def encode(
    lessons: Lessons, encoder: Dinov2Model, folder: Path, log: TrainingLog, *, jobs: int = 1
) -> EncodedScenes:
    """Paint and encode the scenes that a folder does not hold yet; a stopped run goes on after its last file.

    Parameters
    ----------
    lessons
        The scenes.
    encoder
        The image encoder, on the device that computes; on a GPU it computes in bfloat16.
    folder
        Of the files, which are compared with their checksums.
    log
        Shows how far it is.
    jobs
        Processes that paint.

    Raises
    ------
    StorageError
        There is no room.
    """
    ranges = [range(start, min(start + PART, len(lessons))) for start in range(0, len(lessons), PART)]
    paths = [folder / f"scenes-{own.start:05d}-{own.stop:05d}.safetensors" for own in ranges]
    missing = {path: own for path, own in zip(paths, ranges, strict=True) if read_checkpoint(path) is None}
    steps = sum(map(_batches, missing.values()))
    painted = enumerate(_painted(lessons, [number for own in missing.values() for number in own], jobs))
    for path, own in missing.items():
        features, questions = [], []
        for step, (pictures, asked) in islice(painted, _batches(own)):
            features.append(_features(encoder, pictures))
            questions += asked
            log(stage="scenes", step=step, steps=steps)
        told = json.dumps([[asdict(one) for one in row] for row in questions])
        write_checkpoint(path, save({"features": torch.cat(features)}, {"questions": told}))
    return EncodedScenes(
        tuple(load_file(path)["features"] for path in paths),
        tuple(row for path in paths for row in _questions(path)),
    )


def _batches(scenes: range) -> int:
    return -(-len(scenes) // _AT_ONCE)


def _painted(
    lessons: Lessons, numbers: list[int], jobs: int
) -> Iterator[tuple[Tensor, list[tuple[Question, ...]]]]:
    """Yield pictures and their questions, some at once, in the order of the numbers."""
    workers: dict[str, Any] = {}
    if jobs > 1:
        workers = {
            "num_workers": jobs,
            "multiprocessing_context": "spawn",
            "worker_init_fn": _leave_stops_to_the_parent,
        }
    return iter(DataLoader(lessons, _AT_ONCE, sampler=numbers, collate_fn=_together, **workers))


def _together(lessons: list[Lesson]) -> tuple[Tensor, list[tuple[Question, ...]]]:
    return torch.stack([picture for picture, _ in lessons]), [questions for _, questions in lessons]


def _leave_stops_to_the_parent(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@torch.no_grad()
def _features(encoder: Dinov2Model, pictures: Tensor) -> Tensor:
    """Return the second to last layer's tokens without that of the class, as the model takes them."""
    device = encoder.device
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        hidden: Tensor = encoder(pictures.to(device), output_hidden_states=True).hidden_states[-2]
    return hidden[:, 1:].half().cpu()


def _questions(path: Path) -> list[tuple[Question, ...]]:
    with safe_open(path, "pt") as stored:
        told = json.loads(stored.metadata()["questions"])
    return [tuple(Question(**one) for one in row) for row in told]
