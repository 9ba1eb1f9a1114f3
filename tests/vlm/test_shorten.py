"""Shortened prompts: what stays, in order, with padding on the side where it was."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st

from otanalysis.vlm.shorten import Side, shorten_prompts

PAD = 99


def by_hand(
    ids: list[list[int]], mask: list[list[int]], keep: list[list[bool]], side: Side
) -> list[list[int]]:
    rows = [
        [one for one, seen, stays in zip(*row, strict=True) if seen and stays]
        for row in zip(ids, mask, keep, strict=True)
    ]
    length = max(map(len, rows))
    if side == "left":
        return [[PAD] * (length - len(row)) + row for row in rows]
    return [row + [PAD] * (length - len(row)) for row in rows]


@given(data=st.data(), side=st.sampled_from(["left", "right"]))
def test_rows_are_those_that_lists_give(data: st.DataObject, side: Side) -> None:
    batch, length = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 7))
    ids = [data.draw(st.lists(st.integers(1, 50), min_size=length, max_size=length)) for _ in range(batch)]
    pads = [data.draw(st.integers(0, length - 1)) for _ in range(batch)]
    mask = [
        [0] * pad + [1] * (length - pad) if side == "left" else [1] * (length - pad) + [0] * pad
        for pad in pads
    ]
    flags = st.lists(st.booleans(), min_size=length, max_size=length)
    keep = [data.draw(flags) for _ in range(batch)]
    inputs = {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "labels": torch.tensor(ids),
    }
    short = shorten_prompts(inputs, torch.tensor(keep), side=side, pad_id=PAD)
    wanted = by_hand(ids, mask, keep, side)
    assert short["input_ids"].tolist() == wanted
    assert short["attention_mask"].tolist() == [[int(one != PAD) for one in row] for row in wanted]
    assert short["labels"].tolist() == [[-100 if one == PAD else one for one in row] for row in wanted]


@pytest.mark.parametrize(("side", "wanted"), [("left", [[PAD, 2], [5, 6]]), ("right", [[2, PAD], [5, 6]])])
def test_prompts_without_padding_are_padded_where_it_is_asked_for(
    side: Side, wanted: list[list[int]]
) -> None:
    inputs = {"input_ids": torch.tensor([[1, 2, 3], [4, 5, 6]]), "pixel_values": torch.zeros(2, 3)}
    keep = torch.tensor([[False, True, False], [False, True, True]])
    short = shorten_prompts(inputs, keep, side=side, pad_id=PAD)
    assert short["input_ids"].tolist() == wanted


def test_tensors_of_another_shape_pass_as_they_are() -> None:
    pixels = torch.zeros(4, 3)
    inputs = {"input_ids": torch.tensor([[1, 2, 3]]), "pixel_values": pixels, "max_new_tokens": 4}
    short = shorten_prompts(inputs, torch.tensor([[True, False, True]]), side="left", pad_id=PAD)
    assert short["pixel_values"] is pixels
    assert short["max_new_tokens"] == 4
