"""Steps behind a mask, steps without a cache and what ``generate`` does are the same steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from otanalysis.vlm.check.routes import Routes
from otanalysis.vlm.check.steps import (
    STEPS,
    steps_behind_a_mask,
    steps_without_the_cache,
    written,
    written_with_logits,
)

END = 2
"""The token that ends answers, which are as long as they are asked to be."""
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
"""Single precision: matrix products of other shapes round differently."""


@pytest.mark.parametrize("kind", ["llava", "qwen2_vl"])
def test_with_nothing_masked_all_routes_take_the_same_steps(routes: Callable[..., Routes], kind: str) -> None:
    made = routes(kind)
    stays = torch.ones_like(made.prompts["input_ids"], dtype=torch.bool)
    with torch.no_grad():
        tokens, logits = written_with_logits(made)
        masked = steps_behind_a_mask(made, made.run().positions, stays, tokens)
        whole = steps_without_the_cache(made, tokens)
        sequences = written(made)
    assert logits.shape[:2] == tokens.shape == (2, STEPS)
    free = logits.clone()
    free[..., made.model.config.image_token_id] = free[..., END] = -torch.inf
    assert torch.equal(free.argmax(dim=-1), tokens)
    torch.testing.assert_close(masked, logits, **CLOSE)
    torch.testing.assert_close(whole, logits, **CLOSE)
    assert torch.equal(sequences[:, :-STEPS], made.prompts["input_ids"])
    stays[:, 5:9] = False
    with torch.no_grad():
        assert not torch.allclose(
            steps_behind_a_mask(made, made.run().positions, stays, tokens), logits, **CLOSE
        )
