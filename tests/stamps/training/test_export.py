"""From packages and photographs to a file that assemble takes, stopped at any time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from otanalysis.errors import InputError
from otanalysis.reading import read_csv
from otanalysis.scenes import Question
from otanalysis.stamps.assembly.adapter import read_adapter
from otanalysis.stamps.assembly.assemble import assemble
from otanalysis.stamps.painting import paint
from otanalysis.stamps.settings import StampSettings
from otanalysis.stamps.training.lessons import Lessons
from otanalysis.stamps.training.train import Teacher
from otanalysis.vlm.answer import question_prompt
from otanalysis.vlm.model import VisionLanguageModel, load_model

HALF = 0.01  # of logits of some units: the weights of the folder are float16, of 11 bits


def test_a_batch_is_learned_by_heart(train: Any, tmp_path: Path) -> None:
    written = train(tmp_path, recipe={"steps": 32, "scenes": 2})
    rows = read_csv(written.parent / "training.csv").records()
    assert [(row["stage"], row["step"]) for row in rows] == [("adapter", "25"), ("adapter", "32")]
    (begun, begun_right), (last, right) = ((float(row["loss"]), float(row["accuracy"])) for row in rows)
    assert last < begun - 0.5
    assert right > 0.7 > 0.6 > begun_right
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "adapter.safetensors", "training.csv"}
    assert "32 steps of 2 scenes" in (tmp_path / "README.md").read_text().replace("\n", " ")


@pytest.fixture(scope="module")
def unbroken(train: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("unbroken"))


def test_a_stopped_run_ends_as_an_unbroken_one(
    train: Any, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    learn = Teacher.learn

    def stopped(teacher: Teacher, log: Any) -> None:
        if len(taken) in (1, 3):
            taken.append(-1)
            raise KeyboardInterrupt
        taken.append(teacher.step)
        learn(teacher, log)

    monkeypatch.setattr(Teacher, "learn", stopped)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "out", work=tmp_path / "work")
        assert not list((tmp_path / "out").glob("*.safetensors"))
    written = train(tmp_path / "out", work=tmp_path / "work")
    assert taken == [0, -1, 1, -1, 2, 3, 4], "a step was taken twice, or lost"
    assert written.read_bytes() == unbroken.read_bytes()


def test_another_seed_learns_something_else_from_the_same_encoded_scenes(
    train: Any, unbroken: Path, encoded: Path, tmp_path: Path
) -> None:
    before = {path.name for path in encoded.iterdir()}
    assert train(tmp_path, seed=1).read_bytes() != unbroken.read_bytes()
    [new] = {path.name for path in encoded.iterdir()} - before
    assert new.startswith("stamps-seed-1-")


def test_only_what_is_damaged_is_made_again(
    train: Any,
    unbroken: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = tmp_path / "work"
    train(tmp_path / "out", work=work)
    with monkeypatch.context() as patch:
        patch.setattr(Teacher, "learn", None)
        assert train(tmp_path / "again", work=work).read_bytes() == unbroken.read_bytes()
    for file in (*work.glob("*/adapter.pt"), *work.glob("*/scenes-*")):
        content = bytearray(file.read_bytes())
        content[-9] ^= 1
        file.write_bytes(content)
    capsys.readouterr()
    assert train(tmp_path / "out", work=work).read_bytes() == unbroken.read_bytes()
    assert capsys.readouterr().err.count("is damaged: it is made again") == 2


def test_the_assembled_model_answers_as_the_taught_one(
    train: Any,
    small_world: Any,
    settings: StampSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One question after the other, each with its picture, through transformers' own code."""
    said: list[torch.Tensor] = []
    asked: list[int] = []
    teach = Teacher.teach

    @torch.no_grad()
    def logits(teacher: Teacher) -> torch.Tensor:
        return teacher.logits([0])[0]

    def compared(teacher: Teacher, *given: Any) -> None:
        said.append(logits(teacher))
        teach(teacher, *given)
        said.append(logits(teacher))
        asked.append(len(teacher.wording.fitting(teacher.scenes.questions[0], teacher.recipe.words)))

    monkeypatch.setattr(Teacher, "teach", compared)
    written = train(tmp_path / "adapter", recipe={"steps": 4, "scenes": 1, "batch": 1, "words": 300})
    before, after = said
    assemble(tmp_path / "model", adapter=str(written), wheels=small_world.wheels, **small_world.parts)
    vlm = load_model(tmp_path / "model")
    scene, questions = Lessons(settings, 1, None).drawn(0)
    picture, _ = paint(scene, settings.bank("train"))
    with torch.inference_mode():
        alone = [_answer_logits(vlm, picture, one) for one in questions[: asked[0]]]
    assert len(alone) > 2
    answered = torch.cat(alone)[:, : after.shape[1]]  # without the placeholder, which the assembly adds
    torch.testing.assert_close(answered, after, rtol=0, atol=HALF)
    assert float((before - after).abs().max()) > 20 * HALF


def _answer_logits(vlm: VisionLanguageModel, picture: np.ndarray, question: Question) -> torch.Tensor:
    """Return what a model says where the words of an answer, and its end, are to come."""
    text = question_prompt(vlm.processor, question.text) + question.answer
    inputs = vlm.processor(images=[picture], text=[text], return_tensors="pt")
    words = len(vlm.processor.tokenizer(question.answer, add_special_tokens=False)["input_ids"])
    logits: torch.Tensor = vlm.model(**inputs).logits[0, -words - 1 :]
    return logits


def test_what_cannot_be_trained_is_refused_before_anything_is_written(train: Any, tmp_path: Path) -> None:
    for wrong, said in (
        ({"device": "abacus"}, "'abacus'"),
        ({"recipe": {"steps": 0}}, "At least 1 step"),
        ({"settings": StampSettings(tmp_path / "none")}, "apt install tuxpaint-stamps-default"),
    ):
        with pytest.raises(InputError, match=said):
            train(tmp_path / "out", work=tmp_path / "work", **wrong)
        assert not list(tmp_path.iterdir())


def test_the_file_has_the_layout_of_the_bundled_adapter(unbroken: Path) -> None:
    bundled = read_adapter("smooth")
    stored = load_file(unbroken)
    names = {f"projector.{name}" for name in bundled.projector}
    names |= {f"lora.{letter}.{factor}" for letter in bundled.changes for factor in "AB"}
    assert set(stored) == names
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert any(float(stored[f"lora.{letter}.B"].abs().max()) > 0 for letter in bundled.changes)
