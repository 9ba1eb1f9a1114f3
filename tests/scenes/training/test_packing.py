"""Packed questions: who sees whom, and from which places, against the definition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from otanalysis.scenes.training.packing import pack, packed_logits

FIRST, TOKENS = [9, 9, 9], 4
ROWS = [[([1, 2], [3, 4]), ([5], [6])], [([7, 8, 1], [2])]]


def test_every_word_sees_the_picture_and_its_own_question_up_to_itself() -> None:
    given: dict[str, Any] = {}

    def language(**inputs: Any) -> SimpleNamespace:
        given.update(inputs)
        return SimpleNamespace(last_hidden_state=inputs["inputs_embeds"])

    table = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    packed = pack(ROWS, torch.device("cpu"))
    places = torch.tensor([[3, 5, 6, 9], [3, 4, 5, 6]])
    visual = torch.ones(2, TOKENS, 6)
    logits, targets = packed_logits(
        language,
        lambda ids: table[ids],
        lambda hidden: hidden @ table.T,
        first=FIRST,
        visual=visual,
        places=places,
        packed=packed,
    )
    before = len(FIRST) + TOKENS
    allowed = given["attention_mask"][:, 0]
    for row in range(2):
        group = [0] * before + packed.groups[row].tolist()
        for query, asked in enumerate(group):
            if query >= before and not asked:
                continue  # padding: whatever it sees, nobody sees it
            for key, seen in enumerate(group):
                wanted = key <= query and (key < before or seen == asked)
                assert bool(allowed[row, query, key]) == wanted
    assert given["position_ids"][0].tolist() == [0, 1, 2, 3, 5, 6, 9, 10, 11, 12, 10]
    assert given["position_ids"][1, :10].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert targets.tolist() == [3, 4, 6, 2]
    read = table[torch.tensor([2, 3, 5, 1])]  # the words after which those are to come
    assert torch.equal(logits, read @ table.T)
