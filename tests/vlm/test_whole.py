"""Pruned answers end, and are shaped, by the rules of the whole prompt: by whatever looks at ids or lengths.

The models here say the same whatever they see: their logits are one fixed vector. Pruned and unpruned answers
can then differ by the rules alone, and must be equal token by token.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from transformers import GenerationConfig
from transformers.generation import (
    ExponentialDecayLengthPenalty,
    ForcedEOSTokenLogitsProcessor,
    LogitsProcessor,
    LogitsProcessorList,
    MaxLengthCriteria,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    SuppressTokensAtBeginLogitsProcessor,
)

from otanalysis.errors import InputError
from otanalysis.vlm import Pruned
from otanalysis.vlm.whole import WholePrompts

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using the model-agnostic default:UserWarning"),
    pytest.mark.filterwarnings("ignore:Unfeasible length constraints:UserWarning"),
]

END, PAD = 2, 0


class SameAnswer(torch.nn.Module):
    """A head whose logits do not depend on what it is given; the end is likeliest, a few words follow."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        logits = torch.randn(vocabulary, generator=torch.Generator().manual_seed(3))
        logits[[PAD, 1, 4]] = -9.0
        logits[END] = logits.max() + 0.1
        self.register_buffer("logits", logits)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*hidden.shape[:-1], -1).clone()


@pytest.fixture(scope="module")
def models(zoo: Any) -> dict[str, Any]:
    """Return models of three kinds of positions, made to say the same whatever they see."""
    made = {kind: zoo.fresh(kind) for kind in ("llava", "qwen2_vl", "paligemma")}
    for model in made.values():
        model.lm_head = SameAnswer(model.config.get_text_config().vocab_size)
    return made


@pytest.fixture
def settings_restored(models: dict[str, Any]) -> Iterator[None]:
    """Give the models their generation_config back."""
    before = {kind: copy.deepcopy(model.generation_config) for kind, model in models.items()}
    yield
    for kind, model in models.items():
        model.generation_config = before[kind]


class EndsAt(StoppingCriteria):
    """A caller's own: ends at a length of ids, the prompt among them."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, input_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        done = input_ids.shape[1] >= self.length
        return torch.full((len(input_ids),), done, device=input_ids.device)


class EveryThird(LogitsProcessor):
    """A caller's own: at every third place of the whole prompt, another word."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.clone()
        scores[:, END] = -torch.inf
        scores[:, 7 if input_ids.shape[1] % 3 == 0 else 8] = 50.0
        return scores


class NotInThePrompt(LogitsProcessor):
    """A caller's own: counts how often each id stands in what it is shown, and penalises that."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        counts = torch.zeros_like(scores).scatter_add(
            1, input_ids, torch.ones_like(scores[:, :1].expand_as(input_ids))
        )
        return scores - 0.03 * counts * (1 + counts.sum(dim=1, keepdim=True) / 20)


@dataclass(frozen=True)
class Rule:
    """A rule of ``generate``: its arguments, from the length of the prompt; None for the default ending."""

    arguments: Callable[[int], dict[str, Any]]
    model: Callable[[int], dict[str, Any]] = field(default=lambda _: {})
    counts: bool = True
    """Whether it looks at the length of the prompt, so that it would act otherwise on a shortened one."""
    beams: bool = True
    """Whether transformers runs it with beams at all."""


def processors(*ones: Any) -> dict[str, Any]:
    return {"logits_processor": LogitsProcessorList(ones)}


def criteria(*ones: Any) -> dict[str, Any]:
    return {"stopping_criteria": StoppingCriteriaList(ones)}


def config(**settings: Any) -> dict[str, Any]:
    return {"generation_config": GenerationConfig(**{"pad_token_id": PAD, "eos_token_id": END, **settings})}


NEVER = {"eos_token_id": None}
RULES = {
    "none": Rule(lambda _: {}, counts=False),
    "none, endless": Rule(lambda _: config(**NEVER), lambda _: NEVER, counts=False),
    "max_length": Rule(lambda n: {"max_length": n + 6}, lambda _: NEVER),
    "max_length in a config": Rule(lambda n: config(max_length=n + 6, **NEVER), lambda _: NEVER),
    "max_length on the model": Rule(lambda _: {}, lambda n: {"max_length": n + 6, **NEVER}),
    "max_length on the model, a config without": Rule(
        lambda _: config(**NEVER), lambda n: {"max_length": n + 6, **NEVER}
    ),
    "max_length in both": Rule(lambda n: {"max_length": n + 3}, lambda n: {"max_length": n + 6, **NEVER}),
    "max_new_tokens": Rule(lambda _: {"max_new_tokens": 5}, lambda _: NEVER, counts=False),
    "max_new_tokens over a max_length that is too short": Rule(
        lambda _: {"max_new_tokens": 5}, lambda _: {"max_length": 20, **NEVER}, counts=False
    ),
    "min_length": Rule(lambda n: {"min_length": n + 4}),
    "min_length in a config": Rule(lambda n: config(min_length=n + 4, max_new_tokens=40)),
    "min_length on the model": Rule(lambda _: {"max_new_tokens": 40}, lambda n: {"min_length": n + 4}),
    "min_length shorter than the prompt": Rule(lambda n: {"min_length": n - 2, "max_new_tokens": 40}),
    "min_new_tokens": Rule(lambda _: {"min_new_tokens": 4}, counts=False),
    "min_length under min_new_tokens": Rule(
        lambda n: {"min_new_tokens": 2, "min_length": n + 9}, counts=False
    ),
    "MaxLengthCriteria": Rule(lambda n: criteria(MaxLengthCriteria(n + 4)), lambda _: NEVER),
    "MaxLengthCriteria beyond the default": Rule(
        lambda n: criteria(MaxLengthCriteria(n + 25)), lambda _: NEVER, beams=False
    ),
    "a criterion of one's own": Rule(lambda n: criteria(EndsAt(n + 3)), lambda _: NEVER),
    "MinLength": Rule(lambda n: processors(MinLengthLogitsProcessor(n + 4, END))),
    "MinLength over min_length": Rule(
        lambda n: {**processors(MinLengthLogitsProcessor(n + 2, END)), "min_length": n + 6}
    ),
    "MinNewTokens": Rule(lambda n: processors(MinNewTokensLengthLogitsProcessor(n, 3, END))),
    "forced end": Rule(lambda n: {"forced_eos_token_id": 9, "max_length": n + 5, "min_length": n + 5}),
    "ForcedEOS": Rule(lambda n: processors(ForcedEOSTokenLogitsProcessor(n + 3, 9)), lambda _: NEVER),
    "decay": Rule(lambda _: {"exponential_decay_length_penalty": (3, 1.5), "eos_token_id": 12}, counts=False),
    "ExponentialDecay": Rule(
        lambda n: {**processors(ExponentialDecayLengthPenalty((3, 1.5), 12, n)), "eos_token_id": 12}
    ),
    "suppressed at the start": Rule(lambda _: {"begin_suppress_tokens": [END]}, counts=False),
    "SuppressAtBegin": Rule(lambda n: processors(SuppressTokensAtBeginLogitsProcessor([END], n))),
    "repetition": Rule(lambda _: {"repetition_penalty": 1.4}, lambda _: NEVER, counts=False),
    "repetition of the prompt": Rule(
        lambda _: {"encoder_repetition_penalty": 1.4, "repetition_penalty": 1.6},
        lambda _: NEVER,
        counts=False,
    ),
    "n-grams": Rule(lambda _: {"no_repeat_ngram_size": 2}, lambda _: NEVER, counts=False),
    "NoRepeatNGram": Rule(
        lambda _: processors(NoRepeatNGramLogitsProcessor(1)), lambda _: NEVER, counts=False
    ),
    "prefix": Rule(
        lambda _: {"prefix_allowed_tokens_fn": lambda _batch, ids: [len(ids) % 5 + 5, 11]}, lambda _: NEVER
    ),
    "places": Rule(lambda _: processors(EveryThird())),
    "counts": Rule(lambda _: processors(NotInThePrompt()), lambda _: NEVER),
    "sampled": Rule(
        lambda n: {
            "do_sample": True,
            "top_k": 5,
            "repetition_penalty": 1.3,
            "min_length": n + 5,
            "max_length": n + 9,
        }
    ),
}


def batch(zoo: Any, kind: str) -> dict[str, Any]:
    """Return two prompts of different lengths: one picture, and two."""
    pictures = [zoo.picture(40, 60, seed=seed) for seed in range(3)]
    prompts = [zoo.prompt(kind, "what is in the picture ?"), zoo.prompt(kind, "which colour ?", images=2)]
    made: dict[str, Any] = zoo.inputs(kind, prompts, [pictures[:1], pictures[1:]])
    return made


def answers(
    model: Any, inputs: dict[str, Any], rule: Rule, *, beams: int = 1, positions: Any = "renumbered"
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return what the model says unpruned and pruned, prompts in front, and the places that pruning saved."""
    length = inputs["input_ids"].shape[1]
    for name, value in rule.model(length).items():
        setattr(model.generation_config, name, value)
    arguments = {"do_sample": False, **rule.arguments(length)}
    if beams > 1:
        arguments |= {"num_beams": beams, "num_return_sequences": beams, "length_penalty": 0.5}
    if "generation_config" in arguments:
        own = {name: arguments.pop(name) for name in list(arguments) if name != "generation_config"}
        own |= {"pad_token_id": PAD}
        for name, value in own.items():
            setattr(arguments["generation_config"], name, value)
    with torch.inference_mode():
        torch.manual_seed(5)
        whole = model.generate(**inputs, **copy.deepcopy(arguments))
        with Pruned(model, "divprune", keep=4, positions=positions) as pruned:
            torch.manual_seed(5)
            fewer = model.generate(**inputs, **copy.deepcopy(arguments))
    assert pruned.last is not None
    return whole, fewer, pruned.last.full_length - pruned.last.length


@pytest.mark.usefixtures("settings_restored")
@pytest.mark.parametrize(
    ("name", "beams"), [(name, n) for name, rule in RULES.items() for n in (1, 2) if n == 1 or rule.beams]
)
def test_a_rule_makes_of_fewer_tokens_what_it_makes_of_all(
    zoo: Any, models: dict[str, Any], name: str, beams: int
) -> None:
    whole, fewer, saved = answers(models["llava"], batch(zoo, "llava"), RULES[name], beams=beams)
    assert saved > 30
    assert torch.equal(whole, fewer)


@pytest.mark.usefixtures("settings_restored")
@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.counts])
def test_without_the_whole_prompt_a_rule_that_counts_makes_something_else(
    zoo: Any, models: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the test above: its rules are such that it can fail."""
    monkeypatch.setattr(WholePrompts, "ruling", lambda *_: nullcontext())
    whole, fewer, _ = answers(models["llava"], batch(zoo, "llava"), RULES[name])
    assert not torch.equal(whole, fewer)


@pytest.mark.usefixtures("settings_restored")
@pytest.mark.parametrize("kind", ["llava", "qwen2_vl", "paligemma"])
@pytest.mark.parametrize("positions", ["renumbered", "original"])
@pytest.mark.parametrize(
    "name", ["max_length", "min_length on the model", "MaxLengthCriteria", "counts", "sampled"]
)
def test_rules_hold_in_every_kind_of_positions(
    zoo: Any, models: dict[str, Any], kind: str, positions: str, name: str
) -> None:
    whole, fewer, _ = answers(models[kind], batch(zoo, kind), RULES[name], positions=positions)
    assert torch.equal(whole, fewer)


@pytest.mark.usefixtures("settings_restored")
def test_candidates_from_the_prompt_are_written_as_without_pruning(zoo: Any, models: dict[str, Any]) -> None:
    inputs = zoo.inputs("llava", [zoo.prompt("llava", "what is in the picture ?")], [[zoo.picture(40, 60)]])
    rule = Rule(
        lambda n: {"prompt_lookup_num_tokens": 3, "max_length": n + 7, "repetition_penalty": 1.2},
        lambda _: NEVER,
    )
    whole, fewer, _ = answers(models["llava"], inputs, rule)
    assert torch.equal(whole, fewer)


@pytest.mark.usefixtures("settings_restored")
def test_a_limit_that_leaves_nothing_is_refused_as_unpruned(zoo: Any, models: dict[str, Any]) -> None:
    model, inputs = models["llava"], batch(zoo, "llava")
    length = inputs["input_ids"].shape[1]
    with torch.inference_mode():
        with pytest.raises(ValueError, match="max_length"):
            model.generate(**inputs, max_length=length)
        with Pruned(model, keep=4), pytest.raises(InputError, match=f"whose {length} places leave nothing"):
            model.generate(**inputs, max_length=length)


def test_a_config_of_the_caller_and_the_model_stay_as_they_are(zoo: Any, models: dict[str, Any]) -> None:
    model, inputs = models["llava"], batch(zoo, "llava")
    mine = config(max_length=inputs["input_ids"].shape[1] + 3)["generation_config"]
    before = (mine.to_dict(), model.generation_config.to_dict(), dict(vars(model)))
    with torch.inference_mode(), Pruned(model, keep=4):
        model.generate(**inputs, generation_config=mine)
    assert (mine.to_dict(), model.generation_config.to_dict(), dict(vars(model))) == before


@pytest.mark.parametrize("how", ["another way", "not there"])
def test_a_library_that_makes_its_rules_elsewhere_is_refused(
    zoo: Any, models: dict[str, Any], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version in which the rules are not met would compare unequal answers in silence."""
    model, inputs = models["llava"], batch(zoo, "llava")
    if how == "not there":
        monkeypatch.setattr(model, "_get_stopping_criteria", None, raising=False)
    else:
        monkeypatch.setattr(model, "generate", lambda **given: given["input_ids"], raising=False)
    refused = pytest.raises(InputError, match="makes its limits and criteria in another way")
    with torch.inference_mode(), Pruned(model, keep=4), refused:
        model.generate(**inputs, max_new_tokens=2)
