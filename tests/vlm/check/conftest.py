"""What the tests of the checks share: prompts of a kind, and models that do something else in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import LlavaModel

from otanalysis.vlm.check.routes import Routes


@pytest.fixture(scope="session")
def routes(zoo: Any) -> Callable[..., Routes]:
    """Return a function: the routes of a kind on two prompts, with one picture and with two."""

    def make(kind: str, model: Any = None) -> Routes:
        pictures = [zoo.picture(*size, seed=seed) for seed, size in enumerate(((40, 60), (70, 50), (30, 90)))]
        prompts = [zoo.prompt(kind, "what ?"), zoo.prompt(kind, "which colour ?", images=2)]
        inputs = zoo.inputs(kind, prompts, [pictures[:1], pictures[1:]])
        return Routes(model or zoo.load(kind)[0], inputs)

    return make


class _Silent(LlavaModel):
    """Changes what it is handed before it goes on; each subclass is a class of its own to the checks."""

    def forward(self, input_ids: Any = None, mm_encoder_outputs: Any = None, **given: Any) -> Any:
        given |= {"input_ids": input_ids, "mm_encoder_outputs": mm_encoder_outputs}
        if mm_encoder_outputs:
            self.change(given)
        return super().forward(**given)


class _Ignores(_Silent):
    """Goes on with the embeddings of the placeholders: as what swallows arguments that it does not know."""

    def change(self, given: dict[str, Any]) -> None:
        given["mm_encoder_outputs"] = None


class _Renumbers(_Silent):
    """Takes the tokens and counts their positions anew."""

    def change(self, given: dict[str, Any]) -> None:
        if given.get("position_ids") is not None:
            given["position_ids"] = torch.arange(given["input_ids"].shape[1])[None]


class _TakesTheFirst(_Silent):
    """Is right with all tokens; of kept ones it takes the first over and over."""

    def change(self, given: dict[str, Any]) -> None:
        tokens = given["mm_encoder_outputs"]["image"].pooler_output
        if len(tokens[0]) < 36:
            given["mm_encoder_outputs"]["image"].pooler_output = [one[:1].expand_as(one) for one in tokens]


SILENT = {
    "ignores": (_Ignores, "b all kept, logits"),
    "renumbers": (_Renumbers, "c dropping is masking"),
    "takes the first": (_TakesTheFirst, "c dropping is masking"),
}


@pytest.fixture(params=SILENT)
def silent(request: pytest.FixtureRequest, zoo: Any) -> tuple[Any, str]:
    """Return a LLaVA that is wrong in silence, and the check that must find it out."""
    wrong, check = SILENT[request.param]
    model = zoo.fresh("llava")
    model.model.__class__ = wrong
    return model, check
