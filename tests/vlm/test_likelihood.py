"""How likely an answer is: what generation says step by step, and what a forward pass by hand says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from otanalysis.arrays import IntArray
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.selection import Selector
from otanalysis.vlm import Pruned, VisionLanguageModel, load_model
from otanalysis.vlm.answer import answer_prompts
from otanalysis.vlm.likelihood import AskedPicture

CLOSE = 2e-4
"""Of a log-probability in single precision, computed in batches of other shapes, or with a cache."""

ANSWER = "c b a"


@dataclass(frozen=True)
class Pinned(Selector):
    """Keep these tokens."""

    places: tuple[int, ...]

    name: ClassVar[str] = "pinned"

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> IntArray:  # noqa: ARG002
        return np.array(self.places)


@pytest.fixture(scope="module")
def bundled() -> VisionLanguageModel:
    return load_model(bundled_model_path())


def generated(
    vlm: VisionLanguageModel, prompt: str, picture: Any, kept: IntArray, positions: Any
) -> tuple[float, bool]:
    """Return log-probability and verdict of the answer by a pruned generation that is made to say it."""
    inputs = vlm.processor(images=[picture], text=[prompt], return_tensors="pt")
    wanted = [*vlm.processor.tokenizer(ANSWER, add_special_tokens=False)["input_ids"], 2]
    start = inputs["input_ids"].shape[1]
    with (
        Pruned(vlm.model, Pinned(tuple(kept.tolist())), keep=len(kept), positions=positions),
        torch.no_grad(),
    ):
        said = vlm.model.generate(
            **inputs,
            max_new_tokens=len(wanted),
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
            prefix_allowed_tokens_fn=lambda _, ids: [wanted[min(len(ids) - start, len(wanted) - 1)]],
        )
    steps = [one[0].log_softmax(-1) for one in said.logits]
    assert said.sequences[0, start:].tolist() == wanted
    total = sum(float(step[token]) for step, token in zip(steps, wanted, strict=True))
    return total, all(int(step.argmax()) == token for step, token in zip(steps, wanted, strict=True))


# PaliGemma's processor makes a NumPy array of a tensor in a way that NumPy deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("positions", ["renumbered", "original"])
def test_it_is_that_of_a_generation_made_to_say_the_answer(kind: str, positions: Any, zoo: Any) -> None:
    model, processor = zoo.load(kind)
    vlm, picture = VisionLanguageModel(kind, model, processor), zoo.picture(40, 60)
    prompt = zoo.prompt(kind, "which colour ?")
    before = dict(vars(model))
    asked = AskedPicture(vlm, np.asarray(picture), prompt, ANSWER)
    m = len(asked.image.patches)
    kept = np.stack([np.arange(4), np.arange(m - 4, m), np.random.default_rng(0).permutation(m)[:4]])
    found = asked.likelihood(kept, positions=positions, batch_size=2)
    assert vars(model) == before
    wanted = [generated(vlm, prompt, picture, np.sort(one), positions) for one in kept]
    np.testing.assert_allclose(found.log_probability, [value for value, _ in wanted], atol=CLOSE)
    assert found.right.tolist() == [right for _, right in wanted]
    whole = generated(vlm, prompt, picture, np.arange(m), positions)
    assert asked.full.log_probability[0] == pytest.approx(whole[0], abs=CLOSE)
    assert len({round(value, 3) for value, _ in [*wanted, whole]}) > 2, (
        "sets that are all alike hide mistakes"
    )


@pytest.mark.parametrize("positions", ["renumbered", "original"])
def test_it_is_that_of_a_forward_pass_by_hand(positions: Any, bundled: VisionLanguageModel) -> None:
    """Word by word, of one set at a time, without the package's code for prompts and kept tokens."""
    item = BENCHMARKS["read-row"].item(0)
    asked = AskedPicture(bundled, item.picture, item.question.text, item.question.answer)
    kept = np.stack([np.sort(np.random.default_rng(seed).permutation(576)[:56]) for seed in (0, 1)])
    found = asked.likelihood(kept, positions=positions)
    words = bundled.processor.tokenizer.get_vocab()
    question, answer = (
        [words[word] for word in text.split()] for text in (item.question.text, item.question.answer)
    )
    [tokens] = bundled.visual_tokens([item.picture])
    embed = bundled.model.get_input_embeddings()
    for places, value in zip(kept, found.log_probability, strict=True):
        behind = 1 + (576 if positions == "original" else 56)
        where = places + 1 if positions == "original" else np.arange(1, 57)
        total = 0.0
        for said in range(len(answer) + 1):
            ids = [*question, *answer[:said]]
            hidden = torch.cat(
                [embed(torch.tensor([words["<s>"]])), tokens[places], embed(torch.tensor(ids))]
            )
            ordered = [0, *where.tolist(), *range(behind, behind + len(ids))]
            with torch.no_grad():
                states = bundled.model.model.language_model(
                    inputs_embeds=hidden[None], position_ids=torch.tensor([ordered])
                ).last_hidden_state
                scores = bundled.model.lm_head(states[0, -1]).log_softmax(-1)
            total += float(scores[[*answer, words["</s>"]][said]])
        assert value == pytest.approx(total, abs=CLOSE)


def test_right_is_what_greedy_decoding_answers(bundled: VisionLanguageModel) -> None:
    verdicts = []
    for name, number in product(("presence", "count-digits", "read-row"), range(3)):
        item = BENCHMARKS[name].item(number)
        asked = AskedPicture(bundled, item.picture, item.question.text, item.question.answer)
        kept = np.stack(
            [np.sort(np.random.default_rng([number, seed]).permutation(576)[:56]) for seed in range(3)]
        )
        [tokens] = bundled.visual_tokens([item.picture])
        prompts = [f"<image> {item.question.text}"] * 3
        answers = answer_prompts(bundled, prompts, [tokens[one] for one in kept])
        right = [answer == item.question.answer for answer in answers]
        assert asked.likelihood(kept).right.tolist() == right
        verdicts += right
    assert 3 <= sum(verdicts) <= 24


def test_probabilities_of_all_one_word_answers_do_not_exceed_one(bundled: VisionLanguageModel) -> None:
    item = BENCHMARKS["presence"].item(0)
    kept = np.arange(56)[None]
    total = sum(
        float(
            np.exp(
                AskedPicture(bundled, item.picture, item.question.text, word)
                .likelihood(kept)
                .log_probability[0]
            )
        )
        for word in ("yes", "no", "red", "7")
    )
    assert 0.5 < total <= 1 + 1e-6


def test_any_of_several_end_marks_ends_an_answer(
    bundled: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = BENCHMARKS["presence"].item(0)
    asked = AskedPicture(bundled, item.picture, item.question.text, item.question.answer)
    kept = np.arange(56)[None]
    values = {}
    for ends in (None, 2, [2], [2, 3], list(range(len(bundled.processor.tokenizer)))):
        monkeypatch.setattr(bundled.model.generation_config, "eos_token_id", ends)
        values[str(ends)] = float(asked.likelihood(kept).log_probability[0])
    without, one, same, two, every = values.values()
    assert one == same < two < every == pytest.approx(without, abs=1e-5)


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("is there a 7 ?", "perhaps", "words that the tokenizer does not know"),
        ("is there a 7 ?", " ", "no tokens"),
        ("<image> <image> ?", "no", "One picture wants one <image>"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    question: str, answer: str, said: str, bundled: VisionLanguageModel
) -> None:
    with pytest.raises(InputError, match=said):
        AskedPicture(bundled, np.zeros((192, 192, 3), np.uint8), question, answer)


@pytest.mark.parametrize(
    ("subsets", "size", "said"),
    [
        ([[0, 0]], 4, "repetition|distinct"),
        ([[576]], 4, "lie in"),
        ([[0, 1], [2]], 4, "one size"),
        ([], 4, "at least one"),
        ([[0]], 0, "batch_size"),
    ],
)
def test_sets_that_are_none_are_refused(
    subsets: Any, size: int, said: str, bundled: VisionLanguageModel
) -> None:
    asked = AskedPicture(bundled, np.zeros((192, 192, 3), np.uint8), "is there a 7 ?", "no")
    with pytest.raises(InputError, match=said):
        asked.likelihood([np.array(one) for one in subsets], batch_size=size)  # type: ignore[arg-type]
