"""The zoo's models take mixed batches; their processors write as many placeholders as there are tokens."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from transformers import AutoProcessor
from transformers.utils import is_torchvision_available

from otanalysis.vlm.model import load_processor

TWO_TAKERS = ("llava_onevision", "qwen2_vl", "qwen2_5_vl", "internvl", "smolvlm")


@pytest.fixture
def batch(zoo: Any, kind: str) -> dict[str, Any]:
    """Return two prompts of different lengths, with one picture and with two, all of different shapes."""
    prompts = [
        zoo.prompt(kind, "what is in the picture ?"),
        zoo.prompt(kind, "compare the left and the right : which colour ?", images=2),
    ]
    pictures = [[zoo.picture(40, 60)], [zoo.picture(90, 30, seed=1), zoo.picture(64, 64, seed=2)]]
    inputs: dict[str, Any] = zoo.inputs(kind, prompts, pictures)
    return inputs


def test_generation_runs_on_a_mixed_batch(zoo: Any, kind: str, batch: dict[str, Any]) -> None:
    model, _ = zoo.load(kind)
    lengths = batch["attention_mask"].sum(dim=1)
    assert lengths[0] != lengths[1]
    assert not batch["attention_mask"][lengths.argmin(), 0]  # padded on the left
    with torch.inference_mode():
        output = model.generate(**batch, max_new_tokens=3, do_sample=False)
    start = batch["input_ids"].shape[1]
    assert torch.equal(output[:, :start], batch["input_ids"])
    assert start < output.shape[1] <= start + 3


def test_there_are_as_many_features_as_placeholders(zoo: Any, kind: str, batch: dict[str, Any]) -> None:
    model, _ = zoo.load(kind)
    with torch.inference_mode():
        features = model.get_image_features(**zoo.image_inputs(batch)).pooler_output
    rows = sum(one.shape[0] for one in features)
    places = batch["input_ids"] == model.config.image_token_id
    assert rows == int(places.sum()) > 0
    assert {one.shape[1] for one in features} == {model.config.text_config.hidden_size}


def test_the_answer_hangs_on_the_picture(zoo: Any, kind: str) -> None:
    """With other pictures the logits differ: placeholders are filled, pictures are seen."""
    model, _ = zoo.load(kind)
    prompts = [zoo.prompt(kind, "what is in the picture ?")]
    logits = []
    for seed in (0, 0, 7):
        with torch.inference_mode():
            inputs = zoo.inputs(kind, prompts, [[zoo.picture(40, 60, seed=seed)]])
            logits.append(model(**inputs).logits[0, -1])
    assert torch.equal(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2], rtol=0, atol=0.05)


def test_mixed_resolutions_give_mixed_numbers_of_tokens(zoo: Any, kind: str) -> None:
    prompt = zoo.prompt(kind, "what is in the picture ?")
    counts: Counter[int] = Counter()
    model, _ = zoo.load(kind)
    for shape in ((40, 60), (96, 30), (96, 96), (30, 30)):
        ids = zoo.inputs(kind, [prompt], [[zoo.picture(*shape)]])["input_ids"]
        counts[int((ids == model.config.image_token_id).sum())] += 1
    assert (len(counts) > 1) == (kind not in ("llava", "paligemma"))


@pytest.mark.parametrize("kind", ["idefics3", "smolvlm"])
def test_rows_of_tiles_are_closed_by_a_word(zoo: Any, kind: str) -> None:
    """As with real tokenizers: two words stand between tiles of a row, more between rows."""
    model, _ = zoo.load(kind)
    ids = zoo.inputs(kind, [zoo.placeholder(kind)], [[zoo.picture(64, 64)]])["input_ids"][0]
    places = (ids == model.config.image_token_id).nonzero()[:, 0]
    gaps = places.diff()
    assert (gaps[gaps > 1] - 1).tolist() == [2, 3, 2, 4]


def test_the_fixture_lists_the_whole_zoo(zoo: Any, request: pytest.FixtureRequest) -> None:
    conftest = request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py"))
    assert zoo.kinds == conftest.KINDS


@pytest.mark.skipif(is_torchvision_available(), reason="with torchvision AutoProcessor loads them itself")
def test_processors_load_without_torchvision(zoo: Any, kind: str) -> None:
    """Those of the classes that could take videos too; the settings come along."""
    folder = zoo.folder(kind)
    if kind in TWO_TAKERS:
        with pytest.raises(ImportError, match="orchvision"):
            AutoProcessor.from_pretrained(folder, local_files_only=True)
    processor = load_processor(folder, local_files_only=True)
    assert (getattr(processor, "video_processor", None) is None) or kind not in TWO_TAKERS
    saved = processor.to_dict()
    length = {"llava_onevision": "num_image_tokens", "internvl": "image_seq_length"}.get(kind)
    length = "image_seq_len" if kind in ("idefics3", "smolvlm") else length
    assert length is None or saved[length] == 16


def test_other_failures_of_a_processor_stay_what_they_are(zoo: Any, tmp_path: Any) -> None:
    for kind in ("llava", "qwen2_vl"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "config.json").write_bytes((zoo.folder(kind) / "config.json").read_bytes())
        with pytest.raises((OSError, ValueError, ImportError)):
            load_processor(folder, local_files_only=True)
