"""Pruned models see the kept tokens and nothing else, at the right positions, and are given back whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from otanalysis.errors import InputError
from otanalysis.selection import SELECTORS, TOKEN_METHODS, select
from otanalysis.selection.selector import Selection, build_selection
from otanalysis.vlm import Pruned
from otanalysis.vlm.encode import encode_images, image_token_id

GRID_KINDS = ("qwen2_vl", "qwen2_5_vl")
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
"""Single precision, in batches of other shapes: matrix products round differently."""


def batch(zoo: Any, kind: str) -> dict[str, Any]:
    """Return the inputs of two prompts of different lengths: one picture, and two of other sizes."""
    sizes = ((40, 60), (70, 50), (30, 100))
    pictures = [zoo.picture(*size, seed=seed) for seed, size in enumerate(sizes)]
    prompts = [zoo.prompt(kind, "what is in the picture ?"), zoo.prompt(kind, "which colour ?", images=2)]
    made: dict[str, Any] = zoo.inputs(kind, prompts, [pictures[:1], pictures[1:]])
    return made


@dataclass
class Prompt:
    """One prompt by hand: its embeddings and positions, everything dropped that a selection drops."""

    embeddings: torch.Tensor
    positions: torch.Tensor


def prompts_by_hand(
    model: Any, inputs: dict[str, Any], pruned: Pruned, *, renumbered: bool
) -> Iterator[Prompt]:
    """Yield each prompt, word by word and token by token, from what ``pruned.last`` says was kept."""
    assert pruned.last is not None
    encoded = encode_images(model, inputs)
    for row, ids in enumerate(inputs["input_ids"]):
        tokens = {
            int(place): (feature, bool(stays))
            for image, kept in zip(encoded.images, pruned.last.images, strict=True)
            if image.prompt == row
            for place, feature, stays in zip(image.places, image.features, kept.stays, strict=True)
        }
        places = inputs["attention_mask"][row].nonzero()[:, 0].tolist()
        positions = grid_positions(model, inputs, row, places)
        words = model.get_input_embeddings()
        stay = [place for place in places if place not in tokens or tokens[place][1]]
        rows = [tokens[place][0] if place in tokens else words(ids[place : place + 1])[0] for place in stay]
        kept_positions = torch.stack([positions[place] for place in stay], dim=-1)
        if renumbered:
            kept_positions = torch.arange(len(stay))
        yield Prompt(torch.stack(rows)[None], kept_positions)


def grid_positions(
    model: Any, inputs: dict[str, Any], row: int, places: Sequence[int]
) -> dict[int, torch.Tensor]:
    """Return the position of every place: one number, or time, row and column for Qwen-VL."""
    if model.config.model_type not in GRID_KINDS:
        return {place: torch.tensor(number) for number, place in enumerate(places)}
    merge = model.config.vision_config.spatial_merge_size
    grids = [(int(h) // merge, int(w) // merge) for _, h, w in inputs["image_grid_thw"]]
    grids = grids[:1] if row == 0 else grids[1:]
    found: dict[int, torch.Tensor] = {}
    start, seen = 0, 0
    for place in places:
        if int(inputs["input_ids"][row, place]) != image_token_id(model):
            found[place] = torch.tensor([start] * 3)
            start += 1
            continue
        height, width = grids[0]
        found[place] = torch.tensor([start, start + seen // width, start + seen % width])
        seen += 1
        if seen == height * width:
            start, seen, grids = start + max(height, width), 0, grids[1:]
    return found


def logits_by_hand(model: Any, prompt: Prompt) -> torch.Tensor:
    """Call the language model alone; PaliGemma's words see each other both ways."""
    length = prompt.embeddings.shape[1]
    positions = prompt.positions[None] if prompt.positions.ndim == 1 else prompt.positions[:, None]
    mask: Any = torch.ones(1, length, dtype=torch.long)
    if model.config.model_type == "paligemma":
        positions, mask = positions + 1, torch.zeros(1, 1, length, length)
    inner = model.base_model
    language = inner.text_model if hasattr(inner, "text_model") else inner.language_model
    hidden = language(inputs_embeds=prompt.embeddings, position_ids=positions, attention_mask=mask)
    return model.lm_head(hidden.last_hidden_state)[0]


@pytest.mark.parametrize("how", [{"ratio": 1.0}, {"selector": "full"}, {"keep": 10_000}])
def test_with_all_tokens_nothing_changes_bit_for_bit(zoo: Any, kind: str, how: dict[str, Any]) -> None:
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    with torch.inference_mode():
        logits = model(**inputs).logits
        answer = model.generate(**inputs, max_new_tokens=4, do_sample=False)
        with Pruned(model, **how) as pruned:
            assert torch.equal(model(**inputs).logits, logits)
            assert torch.equal(model.generate(**inputs, max_new_tokens=4, do_sample=False), answer)
    assert pruned.last is not None
    assert [image.keep for image in pruned.last.images] == [image.m for image in pruned.last.images]
    assert {image.method for image in pruned.last.images} == {"full"}


def test_half_precision_changes_with_fewer_tokens_only(zoo: Any, kind: str) -> None:
    model = zoo.fresh(kind, dtype=torch.bfloat16)
    inputs = batch(zoo, kind)
    inputs["pixel_values"] = inputs["pixel_values"].bfloat16()
    with torch.inference_mode():
        logits = model(**inputs).logits
        with Pruned(model, ratio=1.0):
            assert torch.equal(model(**inputs).logits, logits)
        with Pruned(model, "dpp", ratio=0.3) as pruned:
            fewer = model(**inputs).logits
    assert pruned.last is not None
    assert fewer.dtype == torch.bfloat16
    assert fewer.shape[1] == pruned.last.length < logits.shape[1]


@pytest.mark.parametrize("positions", ["renumbered", "original"])
def test_logits_are_those_of_the_kept_tokens_alone(zoo: Any, kind: str, positions: Any) -> None:
    """Against the language model called by hand on each prompt, without padding."""
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    renumbered = positions == "renumbered" and kind not in GRID_KINDS
    with torch.inference_mode():
        with Pruned(model, "otprune", ratio=0.3, positions=positions) as pruned:
            logits = model(**inputs).logits
        for row, prompt in enumerate(prompts_by_hand(model, inputs, pruned, renumbered=renumbered)):
            wanted = logits_by_hand(model, prompt)
            torch.testing.assert_close(logits[row, -len(wanted) :], wanted, **CLOSE)
            prompt.embeddings[0, 3] = prompt.embeddings[0, 4]
            assert not torch.allclose(logits[row, -len(wanted) :], logits_by_hand(model, prompt), **CLOSE)


@pytest.mark.parametrize("positions", ["renumbered", "original"])
def test_generated_tokens_follow_from_the_kept_ones(zoo: Any, kind: str, positions: Any) -> None:
    """Against a loop without a cache: each new token is one position behind the last."""
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    renumbered = positions == "renumbered" and kind not in GRID_KINDS
    steps = 5
    with torch.inference_mode():
        with Pruned(model, "divprune", ratio=0.3, positions=positions) as pruned:
            output = model.generate(
                **inputs,
                max_new_tokens=steps,
                min_new_tokens=steps,
                do_sample=False,
                output_logits=True,
                return_dict_in_generate=True,
            )
        length = inputs["input_ids"].shape[1]
        assert torch.equal(output.sequences[:, :length], inputs["input_ids"])
        for row, prompt in enumerate(prompts_by_hand(model, inputs, pruned, renumbered=renumbered)):
            for step in range(steps):
                wanted = logits_by_hand(model, prompt)[-1]
                if model.config.model_type != "paligemma" or step == 0:
                    # PaliGemma's new tokens see the prompt, which does not see them: no one mask by hand.
                    torch.testing.assert_close(output.logits[step][row], wanted, **CLOSE)
                token = output.sequences[row, length + step][None, None]
                new = model.get_input_embeddings()(token)
                prompt.embeddings = torch.cat([prompt.embeddings, new], dim=1)
                prompt.positions = torch.cat([prompt.positions, prompt.positions[..., -1:] + 1], dim=-1)


def test_what_was_kept_is_what_the_selection_keeps_of_the_patches(zoo: Any, kind: str) -> None:
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    with torch.inference_mode(), Pruned(model, "otprune", ratio=0.25, gamma=0.3) as pruned:
        model(**inputs)
        images = encode_images(model, inputs).images
    assert pruned.last is not None
    for image, kept in zip(images, pruned.last.images, strict=True):
        wanted = select(image.tokens, "otprune", ratio=0.25, gamma=0.3)
        assert torch.equal(kept.indices, wanted.indices)
        assert torch.equal(kept.indices, kept.indices.sort().values)
        assert kept.selection is not None
        assert torch.equal(kept.selection.pick_order, wanted.pick_order)
        assert kept.m == len(image.patches)
    assert pruned.kept == sum(image.keep for image in pruned.last.images)
    assert (pruned.images, pruned.tokens) == (3, sum(len(image.patches) for image in images))


@pytest.mark.parametrize("kind", ["llava", "llava_next"])
def test_the_papers_gamma_is_taken_for_each_image_and_said_by_the_name(zoo: Any, kind: str) -> None:
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    for options in ({"selector": "otprune", "gamma_of": "paper"}, {"selector": "otprune-paper"}):
        with torch.inference_mode(), Pruned(model, ratio=0.25, gamma=0.3, **options) as pruned:
            model(**inputs)
            images = encode_images(model, inputs).images
        assert pruned.last is not None
        for image, kept in zip(images, pruned.last.images, strict=True):
            wanted = select(image.tokens, "otprune-paper", ratio=0.25, gamma=0.3)
            assert torch.equal(kept.indices, wanted.indices)
            assert kept.method == "otprune-paper"
            assert kept.selection is not None
            assert kept.selection.provenance == "OTPrunePaper(gamma=0.3, normalise='columns')"
    with pytest.raises(InputError, match="gamma_of must be one of"):
        Pruned(model, ratio=0.25, gamma_of="mine")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["llava_next", "llava_onevision"])
def test_newline_rows_stay_or_go_and_are_never_chosen_from(zoo: Any, kind: str) -> None:
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    lengths = {}
    for newlines in ("keep", "drop"):
        with torch.inference_mode(), Pruned(model, "uniform", ratio=0.25, newlines=newlines) as pruned:
            model(**inputs)
            images = encode_images(model, inputs).images
        assert pruned.last is not None
        assert len(images) == 3
        for image, kept in zip(images, pruned.last.images, strict=True):
            extra = len(image.features) - len(image.patches)
            assert int(kept.stays.sum()) == kept.keep + (extra if newlines == "keep" else 0)
        lengths[newlines] = pruned.last.length
    assert lengths["drop"] < lengths["keep"]


@pytest.mark.parametrize("method", sorted(TOKEN_METHODS))
def test_every_method_runs_in_a_model(zoo: Any, method: str) -> None:
    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")
    with torch.inference_mode(), Pruned(model, method, keep=5) as pruned:
        model.generate(**inputs, max_new_tokens=2, do_sample=False)
    assert pruned.last is not None
    assert [(image.keep, image.method) for image in pruned.last.images] == [(5, method)] * 3


def test_a_selector_of_ones_own_runs_in_a_model(zoo: Any) -> None:
    @dataclass(frozen=True)
    class Longest:
        name: ClassVar[str] = "longest"
        nested: ClassVar[bool] = True
        stochastic: ClassVar[bool] = False

        def __call__(self, tokens: Any, keep: int, **_: Any) -> Selection:
            order = np.argsort(-np.linalg.norm(np.asarray(tokens), axis=1), kind="stable")[:keep]
            return build_selection(self, tokens, order)

    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")
    with torch.inference_mode(), Pruned(model, Longest(), keep=4) as pruned:
        model(**inputs)
        norms = encode_images(model, inputs).images[0].tokens.double().norm(dim=1)
    assert pruned.last is not None
    kept = pruned.last.images[0]
    assert kept.method == "longest"
    assert set(kept.indices.tolist()) == set(norms.topk(4).indices.tolist())


def test_random_tokens_are_drawn_anew_for_every_image_and_again_by_the_same_seed(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")

    def drawn(seed: int) -> list[list[int]]:
        with torch.inference_mode(), Pruned(model, "random", keep=6, seed=seed) as pruned:
            found = []
            for _ in range(2):
                model(**inputs)
                assert pruned.last is not None
                found += [image.indices.tolist() for image in pruned.last.images]
        return found

    first = drawn(0)
    assert len({tuple(kept) for kept in first}) == 6
    assert first == drawn(0)
    assert first != drawn(1)


def test_beams_and_several_answers_a_prompt_see_the_images_of_their_prompt(zoo: Any, kind: str) -> None:
    """Each prompt alone gives the same beams as in the batch."""
    model, _ = zoo.load(kind)
    inputs = batch(zoo, kind)
    options = {"max_new_tokens": 3, "num_beams": 2, "num_return_sequences": 2, "do_sample": False}
    with torch.inference_mode(), Pruned(model, "divprune", ratio=0.3):
        together = model.generate(**inputs, **options)
        pictures = [zoo.picture(40, 60, seed=0)]
        single = zoo.inputs(kind, [zoo.prompt(kind, "what is in the picture ?")], [pictures])
        alone = model.generate(**single, **options)
    assert together.shape[0] == 4
    new = together[:2, inputs["input_ids"].shape[1] :]
    assert torch.equal(new[:, : alone.shape[1]], alone[:, single["input_ids"].shape[1] :][:, : new.shape[1]])


def test_a_limit_on_the_whole_length_leaves_as_many_new_tokens_as_unpruned(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")
    length = inputs["input_ids"].shape[1]
    with torch.inference_mode(), Pruned(model, "uniform", keep=4):
        whole = model.generate(**inputs, max_length=length + 3, min_length=length + 3, do_sample=False)
    assert whole.shape[1] == length + 3


def test_the_loss_is_that_of_the_words_that_stay(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    labels = labels.masked_fill(labels == image_token_id(model), -100)
    # No word stands before the first one; behind padding, transformers would predict it from that.
    labels = labels.masked_fill(labels == model.config.text_config.bos_token_id, -100)
    with torch.inference_mode(), Pruned(model, "uniform", keep=4) as pruned:
        output = model(**inputs, labels=labels)
    total, count = 0.0, 0
    with torch.inference_mode():
        for row, prompt in enumerate(prompts_by_hand(model, inputs, pruned, renumbered=True)):
            logits = logits_by_hand(model, prompt)
            assert pruned.last is not None
            gone = [
                int(place)
                for image, kept in zip(encode_images(model, inputs).images, pruned.last.images, strict=True)
                if image.prompt == row
                for place in image.places[~kept.stays]
            ]
            stays = [
                place for place in inputs["attention_mask"][row].nonzero()[:, 0].tolist() if place not in gone
            ]
            targets = labels[row, stays][1:]
            losses = torch.nn.functional.cross_entropy(logits[:-1], targets, reduction="none")
            total, count = total + float(losses.sum()), count + int((targets != -100).sum())
    assert float(output.loss) == pytest.approx(total / count, rel=1e-4)


def test_prompts_padded_on_the_right_stay_padded_there(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")
    flipped = dict(inputs)
    for name in ("input_ids", "attention_mask"):
        row = inputs[name][0]
        pad = int((inputs["attention_mask"][0] == 0).sum())
        flipped[name] = torch.stack([torch.cat([row[pad:], row[:pad]]), inputs[name][1]])
    assert (flipped["attention_mask"][0, -1], flipped["attention_mask"][0, 0]) == (0, 1)
    with torch.inference_mode(), Pruned(model, "uniform", keep=4) as pruned:
        logits = model(**flipped).logits
        first = next(prompts_by_hand(model, flipped, pruned, renumbered=True))
        wanted = logits_by_hand(model, first)
    torch.testing.assert_close(logits[0, : len(wanted)], wanted, **CLOSE)


def fail_inside(model: Any, inputs: dict[str, Any]) -> None:
    with Pruned(model, keep=4) as pruned:
        model(**inputs)
        assert pruned.last is not None
        raise RuntimeError("on purpose")


@pytest.mark.parametrize("kind", ["llava", "qwen2_5_vl"])
def test_leaving_gives_the_model_back_even_after_an_error(zoo: Any, kind: str) -> None:
    model = zoo.fresh(kind)
    inputs = batch(zoo, kind)
    before = dict(vars(model))
    inner = dict(vars(model.base_model))
    with torch.inference_mode():
        logits = model(**inputs).logits
        deltas = getattr(model.base_model, "rope_deltas", None)
        with pytest.raises(RuntimeError, match="on purpose"):
            fail_inside(model, inputs)
        assert vars(model) == before
        assert vars(model.base_model).keys() == inner.keys()
        assert getattr(model.base_model, "rope_deltas", None) is deltas
        assert torch.equal(model(**inputs).logits, logits)


def test_a_forward_that_somebody_else_put_there_comes_back(zoo: Any) -> None:
    """As accelerate's hooks do it."""
    model = zoo.fresh("llava")
    original, calls = model.forward, []

    def hooked(*args: Any, **given: Any) -> Any:
        calls.append(1)
        return original(*args, **given)

    model.forward = hooked
    with torch.inference_mode(), Pruned(model, keep=4, check=False):
        model(**{**batch(zoo, "llava")})
    assert model.forward is hooked
    assert calls == [1]


def test_calls_without_pictures_pass_and_leave_no_trace(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    words = torch.tensor([[1, 6, 7]])
    with torch.inference_mode():
        plain = model.generate(words, max_new_tokens=2, do_sample=False)
        with Pruned(model, keep=4) as pruned:
            assert torch.equal(model.generate(words, max_new_tokens=2, do_sample=False), plain)
            assert torch.equal(model(words).logits, model(input_ids=words).logits)
    assert pruned.last is None
    assert (pruned.images, pruned.kept) == (0, 0)


def test_gradients_reach_the_image_encoder_through_kept_tokens(zoo: Any) -> None:
    model = zoo.fresh("llava")
    inputs = batch(zoo, "llava")
    with Pruned(model, keep=4):
        model(**inputs).logits.sum().backward()
    gradient = model.base_model.multi_modal_projector.linear_1.weight.grad
    assert gradient is not None
    assert float(gradient.abs().sum()) > 0


def test_what_cannot_be_pruned_is_refused(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = batch(zoo, "llava")
    with torch.inference_mode():
        cache = model(**inputs, use_cache=True).past_key_values
        with Pruned(model, keep=4):
            with pytest.raises(InputError, match="behind a cache"):
                model(**inputs, past_key_values=cache)
            with pytest.raises(InputError, match="pruned already"), Pruned(model, keep=2):
                pass
            with pytest.raises(InputError, match="needs input_ids"):
                model(pixel_values=inputs["pixel_values"], inputs_embeds=torch.zeros(1, 3, 64))
    qwen, _ = zoo.load("qwen2_vl")
    no_types = {name: value for name, value in batch(zoo, "qwen2_vl").items() if name != "mm_token_type_ids"}
    with Pruned(qwen, keep=4), pytest.raises(InputError, match="mm_token_type_ids, which are missing"):
        qwen(**no_types)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"selector": "otprun", "ratio": 0.1}, "Unknown method 'otprun'; known are full, otprune"),
        ({"selector": type(SELECTORS["dpp"]), "ratio": 0.1}, "A selector is wanted, got the class GreedyDPP"),
        ({}, "Exactly one of ratio and keep is needed; got neither"),
        ({"ratio": 1.5}, "ratio must be a number in"),
        ({"keep": 0}, "keep must lie in"),
        ({"ratio": 0.1, "positions": "new"}, "positions must be 'renumbered' or 'original'; got 'new'"),
        ({"ratio": 0.1, "newlines": "move"}, "newlines must be 'keep' or 'drop'; got 'move'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(zoo: Any, arguments: dict[str, Any], wanted: str) -> None:
    model, _ = zoo.load("llava")
    with pytest.raises(InputError, match=wanted):
        Pruned(model, **arguments)


def test_a_static_cache_writes_the_same(zoo: Any) -> None:
    model, inputs = zoo.load("llava")[0], batch(zoo, "llava")
    settings = {"max_new_tokens": 4, "do_sample": False}
    with torch.inference_mode(), Pruned(model, "uniform", keep=9):
        dynamic = model.generate(**inputs, **settings)
        static = model.generate(**inputs, **settings, cache_implementation="static", disable_compile=True)
    assert torch.equal(dynamic, static)


def test_a_compiled_forward_sees_the_kept_tokens(zoo: Any) -> None:
    model, compiled, inputs = zoo.load("llava")[0], zoo.fresh("llava"), batch(zoo, "llava")
    compiled.forward = torch.compile(compiled.forward, backend="eager")
    logits = []
    for one in (model, compiled):
        with torch.inference_mode(), Pruned(one, "uniform", keep=9, check=False):
            logits.append(one(**inputs).logits)
    torch.testing.assert_close(*logits, **CLOSE)
