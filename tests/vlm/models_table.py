"""Writes docs/models.csv: what each class of the zoo passed; run ``python -m tests.vlm.models_table``."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
import transformers

from otanalysis.errors import InputError
from otanalysis.vlm import FAMILIES, Pruned, VisionLanguageModel, check_model
from otanalysis.vlm.capture.batches import encode_pictures, prepare_pictures
from otanalysis.vlm.encode import image_token_id
from tests.vlm.zoo import SPECIES, Zoo

TABLE: Final = Path(__file__).parents[2] / "docs" / "models.csv"
SHAPES: Final = ((40, 60), (70, 50), (30, 100))


def row_of(zoo: Zoo, kind: str) -> dict[str, str]:
    """Return what a class passed, by column: every check of ``check_model``, beams, and capture."""
    vlm = VisionLanguageModel(kind, *zoo.load(kind))
    report = check_model(vlm)
    return {
        "class": report.model,
        "kind": kind,
        "transformers": transformers.__version__,
        "grids": "known" if kind in FAMILIES else "squares and told grids",
        **{finding.check: finding.verdict for finding in report.findings},
        "beams of a batch": _verdict(lambda: _beams(zoo, kind)),
        "capture": _verdict(lambda: _captured(vlm, zoo)),
        "passed": "yes" if report.passed else "no",
        "sees ahead": "yes" if any("attend to later ones" in note for note in report.notes) else "no",
    }


def _verdict(check: Callable[[], str]) -> str:
    try:
        return check()
    except InputError:
        return "refused"


def _beams(zoo: Zoo, kind: str) -> str:
    """Compare the beams of a prompt in a batch with those of the prompt alone."""
    model, _ = zoo.load(kind)
    pictures = [zoo.picture(*size, seed=seed) for seed, size in enumerate(SHAPES)]
    questions = [zoo.prompt(kind, "what is in the picture ?"), zoo.prompt(kind, "which colour ?", images=2)]
    batch = zoo.inputs(kind, questions, [pictures[:1], pictures[1:]])
    options = {"max_new_tokens": 3, "num_beams": 2, "num_return_sequences": 2, "do_sample": False}
    with torch.inference_mode():
        try:
            model.generate(**batch, **options)
        except ValueError:
            return "not even unpruned"
    with torch.inference_mode(), Pruned(model, "divprune", ratio=0.3, check=False):
        together = model.generate(**batch, **options)
        for number, own in enumerate((pictures[:1], pictures[1:])):
            single = zoo.inputs(kind, questions[number : number + 1], [own])
            alone = model.generate(**single, **options)[:, single["input_ids"].shape[1] :]
            beams = together[2 * number :][:2, batch["input_ids"].shape[1] :][:, : alone.shape[1]]
            if not torch.equal(beams, alone[:, : beams.shape[1]]):
                return "failed"
    return "passed"


def _captured(vlm: VisionLanguageModel, zoo: Zoo) -> str:
    """Capture three pictures: their tokens are not all the same, and as many as there are placeholders."""
    import numpy as np

    pictures = [np.asarray(zoo.picture(*size, seed=seed)) for seed, size in enumerate(SHAPES)]
    inputs = prepare_pictures(vlm, pictures)
    images = encode_pictures(vlm, inputs, SHAPES, None)
    placeholders = (inputs["input_ids"] == image_token_id(vlm.model)).sum(dim=1).tolist()
    counted = [len(image.features) for image in images] == placeholders
    differ = all(len(image.tokens.unique(dim=0)) > 1 for image in images)
    return "passed" if counted and differ else "failed"


def write_table(path: Path = TABLE) -> None:
    """Write the table of all classes."""
    with tempfile.TemporaryDirectory() as folder:
        zoo = Zoo(Path(folder))
        rows = [row_of(zoo, kind) for kind in SPECIES]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    write_table()
