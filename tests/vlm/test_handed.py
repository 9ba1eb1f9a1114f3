"""What encoders return is cut to the kept rows, with what goes to deeper layers; other forms are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from otanalysis.errors import InputError
from otanalysis.vlm import VisionLanguageModel, check_model
from otanalysis.vlm.families import family_of
from otanalysis.vlm.handed import keep_rows, layers_beside, require_known_form

DEEP = ("qwen3_vl", "qwen3_vl_moe")


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
    for beside in (torch.zeros(5, 8), [(4, numbered(2, 3))], torch.zeros(1, 5, 8)):
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
