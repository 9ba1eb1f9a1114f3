"""What encoders return is cut to the kept rows, with what goes to deeper layers; other forms are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.granite4_vision.modeling_granite4_vision import Granite4VisionImageFeaturesOutput
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from otanalysis.errors import InputError
from otanalysis.vlm import Pruned, VisionLanguageModel, answer_prompts, check_model
from otanalysis.vlm.families import family_of
from otanalysis.vlm.handed import (
    added_in_layers,
    keep_rows,
    layers_beside,
    parts_of,
    repeat_parts,
    require_known_form,
)

DEEP = ("qwen3_vl", "granite4_vision")


def numbered(*lengths: int, first: float = 0.0) -> list[torch.Tensor]:
    """Return parts [n, 1] whose rows are numbered on over all of them."""
    numbers = first + torch.arange(float(sum(lengths)))[:, None]
    return list(numbers.split(lengths))


def test_rows_of_deeper_layers_are_those_of_the_tokens_in_every_image() -> None:
    """Two images, the first of which is two parts."""
    output = BaseModelOutputWithDeepstackFeatures(
        pooler_output=numbered(2, 1, 4),
        deepstack_features=[tuple(numbered(2, 1, 4, first=first)) for first in (100, 200)],
    )
    require_known_form(None, output, [2, 1, 4])
    keep_rows(output, "pooler_output", [3, 4], [torch.tensor([0, 2]), torch.tensor([1])])
    rows = [[0, 2], [4]]
    assert [part[:, 0].tolist() for part in output.pooler_output] == rows
    for layer, first in zip(output.deepstack_features, (100, 200), strict=True):
        assert [part[:, 0].tolist() for part in layer] == [[first + row for row in own] for own in rows]


def numbered_layers() -> Granite4VisionImageFeaturesOutput:
    """Return features of layers 3, 0 and 3 again of two images, of two rows and of three."""
    layers = [(layer, numbered(2, 3, first=first)) for layer, first in ((3, 100), (0, 200), (3, 300))]
    return Granite4VisionImageFeaturesOutput(deepstack_features=layers)


def rows_of(output: Any) -> list[tuple[int, list[list[float]]]]:
    """Return number and rows of every layer."""
    return [(layer, [part[:, 0].tolist() for part in parts]) for layer, parts in output.deepstack_features]


def test_tokens_of_numbered_layers_are_those_of_the_earliest_and_all_layers_are_cut() -> None:
    output = numbered_layers()
    field = "deepstack_features"
    assert [part[:, 0].tolist() for part in parts_of(None, output, field)] == [[200, 201], [202, 203, 204]]
    require_known_form(None, output, [2, 3])
    keep_rows(output, field, [2, 3], [torch.tensor([1]), torch.tensor([0, 2])])
    assert rows_of(output) == [
        (layer, [[first + 1], [first + 2, first + 4]]) for layer, first in ((3, 100), (0, 200), (3, 300))
    ]
    repeat_parts(output, field, 2)
    assert rows_of(output)[1] == (0, [[201], [202, 204]] * 2)


def test_of_two_entries_of_the_earliest_layer_the_last_counts() -> None:
    """The model reads them into a mapping by layer."""
    output = Granite4VisionImageFeaturesOutput(
        deepstack_features=[(0, numbered(2)), (0, numbered(2, first=10)), (1, numbered(2, first=20))]
    )
    assert parts_of(None, output, "deepstack_features")[0][:, 0].tolist() == [10, 11]


def test_features_are_added_to_the_embeddings_at_the_places_of_tokens() -> None:
    embeddings = torch.tensor([[[1.0], [0.0], [2.0], [0.5]]])
    given = {"inputs_embeds": embeddings}
    assert torch.equal(added_in_layers(given), embeddings)
    given["vision_mask"] = torch.tensor([[[False], [True], [False], [True]]])
    given["deepstack_features"] = {2: torch.full((2, 1), 9.0), 1: torch.tensor([[3.0], [4.0]])}
    assert added_in_layers(given).flatten().tolist() == [1, 3, 2, 4.5]


def test_beams_see_their_own_picture_where_features_come_in_layers(zoo: Any) -> None:
    """One picture a prompt: with several, transformers gives beams the pictures in another order."""
    model, _ = zoo.load("granite4_vision")
    question = zoo.prompt("granite4_vision", "which colour ?")
    pictures = [zoo.picture(40, 60), zoo.picture(96, 30, seed=1)]
    options = {"max_new_tokens": 3, "num_beams": 2, "do_sample": False}

    def answers(*own: Any) -> list[list[int]]:
        inputs = zoo.inputs("granite4_vision", [question] * len(own), [[one] for one in own])
        written = model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :]
        return written.tolist()

    with torch.inference_mode(), Pruned(model, "divprune", ratio=0.3, check=False):
        assert answers(*pictures) == [answers(one)[0] for one in pictures]


def test_tokens_alone_are_not_enough_where_deeper_layers_get_features_too(zoo: Any) -> None:
    vlm = VisionLanguageModel("qwen3_vl", *zoo.load("qwen3_vl"))
    tokens = vlm.visual_tokens([np.asarray(zoo.picture(48, 64, seed=0))])
    with pytest.raises(
        InputError, match=r"handed more than these \(.*deepstack.*\): use otanalysis\.vlm\.Pruned"
    ):
        answer_prompts(vlm, [f"{vlm.image_token} what"], tokens)


def test_one_tensor_of_parts_becomes_a_part_for_every_kept_token() -> None:
    output = BaseModelOutputWithPooling(pooler_output=torch.arange(6.0).view(2, 3, 1))
    keep_rows(output, "pooler_output", [3, 3], [torch.tensor([1]), torch.tensor([0, 2])])
    assert output.pooler_output.shape == (3, 1, 1)
    assert output.pooler_output.flatten().tolist() == [1, 3, 5]


def test_features_in_another_form_are_refused_and_those_of_no_tokens_are_let_be() -> None:
    output = BaseModelOutputWithPooling(pooler_output=numbered(2, 3))
    output["marks"] = torch.zeros(7, 1)
    require_known_form(None, output, [2, 3])
    assert layers_beside(output, [2, 3]) == {}
    for beside in (torch.zeros(5, 8), [(4, 5, numbered(2, 3))], torch.zeros(1, 5, 8)):
        output["beside"] = beside
        with pytest.raises(InputError, match=r"hands beside to the language model .* form that is not known"):
            require_known_form(None, output, [2, 3])


@pytest.mark.parametrize("kind", DEEP)
def test_features_cut_by_other_rows_than_the_tokens_fail_the_check(
    zoo: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the check: with the neighbours' features in deeper layers, dropping is not masking."""
    vlm = VisionLanguageModel(kind, *zoo.load(kind))
    assert check_model(vlm).passed

    def shifted(output: Any, lengths: Any) -> Any:
        return {
            name: [[part.roll(1, 0) for part in layer] for layer in layers]
            for name, layers in layers_beside(output, lengths).items()
        }

    monkeypatch.setattr("otanalysis.vlm.handed.layers_beside", shifted)
    failed = {finding.check[0] for finding in check_model(vlm).failures}
    assert {"b", "c"} <= failed


@pytest.mark.parametrize("kind", ["llama4", "molmo2"])
def test_tokens_are_what_the_language_model_gets_and_not_what_is_handed_over(zoo: Any, kind: str) -> None:
    model, _ = zoo.load(kind)
    family = family_of(model)
    rows = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        tokens = family.place(model, rows)
    assert tokens.shape == rows.shape
    assert not torch.equal(tokens, rows)
