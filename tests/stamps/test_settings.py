"""Settings of the pictures: their ranges."""

from __future__ import annotations

from typing import Any

import pytest

from otanalysis.errors import InputError
from otanalysis.stamps.settings import StampSettings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"object_size": 0.2}, r"object_size .* between 0\.25 and 2"),
        ({"crowding": 5.0}, r"crowding .* between 0\.25 and 4"),
        ({"crowding": float("nan")}, "crowding"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_is_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StampSettings(**change)
