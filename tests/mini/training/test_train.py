"""The recipe in miniature: it learns, goes on where it stopped, and writes what loads."""

from __future__ import annotations

import csv
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from otanalysis.errors import InputError
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.digits import digit_bank
from otanalysis.mini.geometry import COLOURS, GRID, SIZES
from otanalysis.mini.scenes import LAYOUTS, Scene, SceneObject
from otanalysis.mini.training import language
from otanalysis.mini.training.architecture import build_model, build_processor, position_table
from otanalysis.mini.training.checkpoints import LIST_NAME, read_checkpoint, write_checkpoint
from otanalysis.mini.training.export import export
from otanalysis.mini.training.language import LanguageStage, SceneCache, measure_language
from otanalysis.mini.training.train import Recipe, train, training_folder
from otanalysis.mini.training.vision import (
    CLASSES,
    PatchHeads,
    VisionStage,
    encode_window,
    patch_labels,
    pixels_of,
    train_vision_stage,
)
from otanalysis.vlm.answer import prepare_inputs
from otanalysis.vlm.model import load_model

SMALL = Recipe(
    vision=(
        VisionStage("crops", 6, 1, 4, 2, 1e-3),
        VisionStage("places", GRID, 0, 2, 1, 1e-3, places=True),
    ),
    language=(LanguageStage("subsets", 16, 2, 3, 2, 1e-3), LanguageStage("all", None, 2, 3, 1, 1e-3)),
    variants=0,
    projector_steps=2,
    scenes=16,
    held_out_scenes=16,
)


def state_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a model's weights."""
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    """Return a folder in which the recipe has run, and the weights that it gave; for copies."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, state_of(train(folder, recipe=SMALL, threads=1))


def test_the_recipe_runs_resumes_and_depends_on_its_seed(
    tmp_path: Path, trained: tuple[Path, dict[str, torch.Tensor]]
) -> None:
    folder, first = trained
    copytree(folder, tmp_path, dirs_exist_ok=True)
    place = training_folder(tmp_path, 0, SMALL)
    assert first
    begin = (place / "training.csv").read_bytes()
    again = state_of(train(tmp_path, recipe=SMALL, threads=1))
    assert (place / "training.csv").read_bytes() == begin, "a finished stage was trained again"
    assert all(torch.equal(first[name], again[name]) for name in first)

    (place / "all.pt").unlink()
    resumed = state_of(train(tmp_path, recipe=SMALL, threads=1))
    assert all(torch.equal(first[name], resumed[name]) for name in first)
    rows = [line.split(b",")[:2] for line in (place / "training.csv").read_bytes().splitlines()]
    assert rows == [line.split(b",")[:2] for line in begin.splitlines()], "a stage stands twice in the curve"

    # In the same folder: the checkpoints of another seed are not those of this one.
    other = state_of(train(tmp_path, recipe=SMALL, seed=1, threads=1))
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])
    assert {path.name[:6] for path in tmp_path.iterdir()} == {"seed-0", "seed-1"}
    assert training_folder(tmp_path, 0) != place, "the recipe is in the name too"


def test_a_damaged_checkpoint_is_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trained: tuple[Path, dict[str, torch.Tensor]]
) -> None:
    folder, first = trained
    copytree(folder, tmp_path, dirs_exist_ok=True)
    place = training_folder(tmp_path, 0, SMALL)
    train(tmp_path, recipe=SMALL, threads=1)
    assert "is damaged" not in capsys.readouterr().err
    for name, bit in (("crops.pt", 700), ("all.pt", 40_000)):
        content = bytearray((place / name).read_bytes())
        content[bit] ^= 1
        (place / name).write_bytes(content)
        again = state_of(train(tmp_path, recipe=SMALL, threads=1))
        assert capsys.readouterr().err.count(f"{name} is damaged") == 1
        assert all(torch.equal(first[key], again[key]) for key in first)


def test_checkpoints_of_other_libraries_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "a.pt", b"weights")
    assert read_checkpoint(tmp_path / "a.pt") == b"weights"
    assert capsys.readouterr().err == ""
    listed = tmp_path / LIST_NAME
    listed.write_text(listed.read_text().replace(version("torch"), "1.0"))
    assert read_checkpoint(tmp_path / "a.pt") == b"weights"
    assert "trained with torch 1.0 (now" in capsys.readouterr().err
    for damaged in (b"[1]", b"[" * 100_000):
        listed.write_bytes(damaged)
        assert read_checkpoint(tmp_path / "a.pt") is None
    assert read_checkpoint(tmp_path / "b.pt") is None


def test_a_model_without_room_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "training.csv").write_text("stage,step,loss,accuracy,seconds\n")
    export(build_model(0), tmp_path, tmp_path / "model", seed=0)
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from otanalysis.errors import StorageError\n"
        "from otanalysis.mini.training.architecture import build_model\n"
        "from otanalysis.mini.training.export import export\n"
        "model = build_model(1)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    export(model, Path(sys.argv[1]), Path(sys.argv[1], 'model'), seed=1)\n"
        "except StorageError as error:\n    print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "cannot be written" in done.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before


def test_the_export_loads_as_any_model_and_answers_alike(tmp_path: Path) -> None:
    model = build_model(0)
    with (tmp_path / "training.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["stage", "step", "loss", "accuracy", "seconds"], ["x-held-out", 1, "nan", 0.5, 1]]
        )
    export(model, tmp_path, tmp_path / "model", seed=0)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "model", dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(tmp_path / "model")
    item = next(BENCHMARKS["presence"].items(1))
    inputs = processor(
        images=Image.fromarray(item.picture), text="<image> is there a 7 ?", return_tensors="pt"
    )
    assert int((inputs["input_ids"] == processor.image_token_id).sum()) == GRID * GRID
    torch.testing.assert_close(inputs["pixel_values"], pixels_of(item.picture[None]))
    assert loaded(**inputs).logits.shape == (1, GRID * GRID + 6, len(processor.tokenizer))
    assert torch.equal(loaded.lm_head.weight.half(), model.lm_head.weight)
    assert "| x | 0.500 |" in (tmp_path / "model" / "README.md").read_text()


def test_patch_labels_name_what_lies_on_each_patch() -> None:
    scene = Scene((SceneObject("7", "blue", 3, 1, 2),))
    what, colour, size, corner = patch_labels(scene).reshape(4, GRID, GRID)
    inside = np.zeros((GRID, GRID), dtype=bool)
    inside[1:4, 2:5] = True
    np.testing.assert_array_equal(what, np.where(inside, CLASSES.index("7"), 0))
    np.testing.assert_array_equal(colour, np.where(inside, 1 + COLOURS.index("blue"), 0))
    np.testing.assert_array_equal(size, np.where(inside, 1 + SIZES.index(3), 0))
    assert np.argwhere(corner).tolist() == [[1, 2]]


def test_a_window_over_the_whole_table_is_the_models_own_forward_pass() -> None:
    tower = build_model(0).model.vision_tower.eval()
    pixels = pixels_of(next(BENCHMARKS["presence"].items(1)).picture[None])
    with torch.inference_mode():
        whole = encode_window(tower, pixels, torch.zeros(1, 2, dtype=torch.long), GRID)
        expected = tower(pixels).last_hidden_state[:, 1:]
        # the same pixels elsewhere in the table get other position codes
        crop = pixels[:, :, :48, :48]
        here, there = (
            encode_window(tower, crop, torch.tensor([[place, place]]), 6) for place in (0, GRID - 6)
        )
    torch.testing.assert_close(whole, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(here, there, rtol=1e-2, atol=1e-2)


def test_position_codes_are_distinct_and_nearest_to_their_neighbours() -> None:
    table = position_table()
    codes = table.reshape(GRID * GRID, -1)
    similarity = codes @ codes.T
    assert int((similarity > similarity.diagonal().min() - 1e-4).sum()) == GRID * GRID
    middle = similarity[12 * GRID + 12].reshape(GRID, GRID)
    assert middle[12, 13] > middle[12, 14] > middle[12, 20]


def test_a_few_steps_on_crops_lower_the_loss() -> None:
    torch.manual_seed(0)
    losses: list[float] = []

    def report(*, stage: str, step: int, steps: int, loss: float, accuracy: float) -> None:  # noqa: ARG001
        losses.append(loss)

    stage = VisionStage("crops", 6, 1, 16, 40, 2e-3)
    tower = build_model(0).model.vision_tower
    train_vision_stage(tower, PatchHeads(), stage, digit_bank("train"), np.random.default_rng(0), report)
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])


@pytest.mark.filterwarnings("default")
def test_packed_questions_are_answered_as_each_alone(tmp_path: Path) -> None:
    """Training packs many questions behind an image; a mask that leaked would change the logits."""
    model, processor = build_model(0).eval(), build_processor()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    vlm = load_model(tmp_path)
    scene = LAYOUTS["cells"](np.random.default_rng(3))
    features = torch.randn(1, GRID * GRID, 96)
    packed = language._pack([scene], 6, processor.tokenizer, np.random.default_rng(0), torch.device("cpu"))
    places = torch.arange(1, GRID * GRID + 1)[None]
    with torch.inference_mode():
        logits, targets = language._logits(model, features, places, packed, 1)
        tokens = model.model.multi_modal_projector(features)[0]
        start = 0
        for group in range(1, int(packed.groups.max()) + 1):
            mine = packed.groups[0] == group
            count = int((packed.targets[0][mine] != -100).sum())
            ids = packed.ids[0][mine]
            prompt = "<image> " + processor.tokenizer.decode(ids)
            alone = vlm.model(**prepare_inputs(vlm, [prompt], [tokens])).logits[0, -count:]
            torch.testing.assert_close(logits[start : start + count], alone, rtol=1e-3, atol=1e-3)
            start += count
    assert start == len(targets)


def test_a_share_counts_the_answers_with_every_word_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that knows all, and one that only misses the end of every answer, in place of the real one."""
    scenes = tuple(LAYOUTS["row"](np.random.default_rng(seed)) for seed in range(4))
    cache = SceneCache(scenes, torch.zeros(4, GRID * GRID, 96).half())
    stage = LanguageStage("x", 16, 2, 6, 0, 1e-3)
    processor = build_processor()
    original, end = language._logits, processor.tokenizer.eos_token_id

    def measured(*, knows_the_end: bool) -> dict[str, float]:
        def oracle(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
            logits, targets = original(*arguments)
            told = targets if knows_the_end else torch.where(targets == end, end + 1, targets)
            return torch.nn.functional.one_hot(told, logits.shape[1]).float(), targets

        monkeypatch.setattr(language, "_logits", oracle)
        generator = np.random.default_rng(0)
        return measure_language(build_model(0), stage, cache, processor.tokenizer, generator, steps=3)

    knowing, missing = measured(knows_the_end=True), measured(knows_the_end=False)
    assert "read-row" in knowing
    assert set(knowing.values()) == {1.0}
    assert set(missing.values()) == {0.0}


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'nonsense'"):
        train(tmp_path, recipe=SMALL, device="nonsense")
    assert not list(tmp_path.iterdir())
