"""Pruned answers take the model's own path: with all tokens nothing changes, with fewer those are seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from otanalysis.errors import InputError
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.vlm.answer import Places, answer_prompts, prepare_inputs
from otanalysis.vlm.model import VisionLanguageModel, load_model, model_fingerprint


@pytest.fixture(scope="module")
def vlm(untrained: Path) -> VisionLanguageModel:
    return load_model(untrained, name="untrained")


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [item.picture for item in BENCHMARKS["presence"].items(3)]


PROMPTS = ["<image> is there a 7 ?", "<image> what colour is the 3 ?", "<image> where is the 5 ?"]


def test_visual_tokens_are_the_projected_features_of_the_tower(
    vlm: VisionLanguageModel, pictures: list[np.ndarray]
) -> None:
    tokens = vlm.visual_tokens(pictures)
    assert [tuple(one.shape) for one in tokens] == [(576, 128)] * 3
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        tower = vlm.model.model.vision_tower((pixels - 0.25) / 0.25, output_hidden_states=True)
        expected = vlm.model.model.multi_modal_projector(tower.hidden_states[-1][:, 1:])
    torch.testing.assert_close(torch.stack(tokens), expected, rtol=1e-4, atol=1e-4)


def test_all_tokens_give_the_logits_of_the_unpruned_model_bit_for_bit(
    vlm: VisionLanguageModel, pictures: list[np.ndarray]
) -> None:
    images = [Image.fromarray(picture) for picture in pictures]
    whole = vlm.processor(images=images, text=PROMPTS, return_tensors="pt", padding=True)
    with torch.inference_mode():
        unpruned = vlm.model(**whole).logits
        kept = vlm.model(**prepare_inputs(vlm, PROMPTS, vlm.visual_tokens(pictures))).logits
    assert torch.equal(unpruned, kept)


def test_answers_with_all_tokens_are_those_of_generate(
    vlm: VisionLanguageModel, pictures: list[np.ndarray]
) -> None:
    images = [Image.fromarray(picture) for picture in pictures]
    whole = vlm.processor(images=images, text=PROMPTS, return_tensors="pt", padding=True)
    with torch.inference_mode():
        output = vlm.model.generate(**whole, max_new_tokens=8, do_sample=False)
    fresh = output[:, whole["input_ids"].shape[1] :]
    expected = vlm.processor.tokenizer.batch_decode(fresh, skip_special_tokens=True)
    assert answer_prompts(vlm, PROMPTS, vlm.visual_tokens(pictures)) == [text.strip() for text in expected]


def test_kept_tokens_are_renumbered_and_nothing_else_is_seen(
    vlm: VisionLanguageModel, pictures: list[np.ndarray]
) -> None:
    """The same as a model that gets the embeddings of the short sequence, written out by hand."""
    (tokens,) = vlm.visual_tokens(pictures[:1])
    kept = tokens[[3, 40, 500]]
    inputs = prepare_inputs(vlm, PROMPTS[:1], [kept])
    words = vlm.processor.tokenizer(PROMPTS[0].replace("<image>", ""), return_tensors="pt")["input_ids"][0]
    with torch.inference_mode():
        table = vlm.model.get_input_embeddings()
        embedded = torch.cat([table(words[:1]), kept, table(words[1:])])[None]
        expected = vlm.model.lm_head(vlm.model.model.language_model(inputs_embeds=embedded).last_hidden_state)
        logits = vlm.model(**inputs).logits
        other = vlm.model(**prepare_inputs(vlm, PROMPTS[:1], [tokens[[3, 41, 500]]])).logits
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(other, expected, rtol=1e-5, atol=1e-5)


def test_places_give_kept_tokens_and_words_the_positions_of_the_whole_prompt(
    vlm: VisionLanguageModel, pictures: list[np.ndarray]
) -> None:
    """The same as the language model called by hand with the positions that are left of 0, 1, 2, ..."""
    tokens, stood = vlm.visual_tokens(pictures), [np.array([3, 40, 500]), np.arange(9), np.arange(500, 576)]
    kept = [one[own] for one, own in zip(tokens, stood, strict=True)]
    inputs = prepare_inputs(vlm, PROMPTS, kept, [Places(own, 576) for own in stood])
    renumbered = prepare_inputs(vlm, PROMPTS, kept)
    with torch.inference_mode():
        logits, other = (vlm.model(**one).logits for one in (inputs, renumbered))
        for row, (prompt, own, places) in enumerate(zip(PROMPTS, kept, stood, strict=True)):
            bare = prompt.replace("<image>", "")
            words = vlm.processor.tokenizer(bare, return_tensors="pt")["input_ids"][0]
            positions = np.r_[0, 1 + places, 577 : 576 + len(words)]
            table = vlm.model.get_input_embeddings()
            embedded = torch.cat([table(words[:1]), own, table(words[1:])])[None]
            seen = vlm.model.model.language_model(
                inputs_embeds=embedded, position_ids=torch.from_numpy(positions)[None]
            )
            expected = vlm.model.lm_head(seen.last_hidden_state)[0]
            torch.testing.assert_close(logits[row, -len(positions) :], expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(other, logits, rtol=1e-3, atol=1e-3)


def test_batches_answer_as_single_prompts_do(vlm: VisionLanguageModel, pictures: list[np.ndarray]) -> None:
    tokens = [one[:29] for one in vlm.visual_tokens(pictures)]
    together = answer_prompts(vlm, PROMPTS, tokens)
    alone = [answer_prompts(vlm, [prompt], [one])[0] for prompt, one in zip(PROMPTS, tokens, strict=True)]
    assert together == alone


def test_prompts_and_images_that_do_not_fit_are_refused(
    vlm: VisionLanguageModel, pictures: list[np.ndarray]
) -> None:
    tokens = vlm.visual_tokens(pictures[:1])
    with pytest.raises(InputError, match="2 prompts and 1 images"):
        answer_prompts(vlm, PROMPTS[:2], tokens)
    with pytest.raises(InputError, match="exactly one <image>"):
        answer_prompts(vlm, ["is there a 7 ?"], tokens)
    with pytest.raises(InputError, match="exactly one <image>"):
        answer_prompts(vlm, ["<image> <image> is there a 7 ?"], tokens)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no config\.json"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(InputError, match="no image-text model"):
        load_model(tmp_path)


def test_the_fingerprint_changes_with_the_weights_and_not_with_the_card(
    untrained: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in untrained.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "README.md").write_text("a card")
    assert model_fingerprint(copy, progress=True) == model_fingerprint(untrained)
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert model_fingerprint(copy) != model_fingerprint(untrained)


def test_a_model_that_is_neither_a_folder_nor_in_the_cache_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"'nobody/no-such-model' is no folder, and no image-text model"):
        load_model("nobody/no-such-model")


def test_a_folder_is_loaded_in_the_type_asked_for_and_has_no_revision(untrained: Path) -> None:
    half = load_model(untrained, dtype="bfloat16")
    assert half.model.dtype == torch.bfloat16
    assert load_model(untrained).model.dtype == torch.float32
    with pytest.raises(InputError, match="is a folder and has no revision 'main'"):
        load_model(untrained, revision="main")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"dtype": "float8"}, "dtype must be one of float32, bfloat16, float16, auto; got 'float8'"),
        ({"device": "abacus"}, "device must be such as cpu, cuda or cuda:1; got 'abacus'"),
        ({"device": "cuda:7"}, "torch sees no GPU here"),
    ],
)
def test_options_that_do_not_fit_are_refused(untrained: Path, options: dict[str, str], wanted: str) -> None:
    if torch.cuda.is_available() and "cuda" in options.get("device", ""):
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=wanted):
        load_model(untrained, **options)  # type: ignore[arg-type]


def test_a_least_length_that_counts_the_prompt_is_refused(
    vlm: VisionLanguageModel, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts with fewer tokens would be asked for longer answers."""
    tokens = vlm.visual_tokens(pictures)
    monkeypatch.setattr(vlm.model.generation_config, "min_length", 600)
    with pytest.raises(InputError, match=r"min_length=600, which counts the prompt.*min_new_tokens"):
        answer_prompts(vlm, PROMPTS, tokens)
