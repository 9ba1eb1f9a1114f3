"""The fronts of the vlm rooms have what other rooms use, and work where torch is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from otanalysis import vlm
from otanalysis.vlm import capture


@pytest.mark.parametrize(("room", "name"), [(one, name) for one in (vlm, capture) for name in one.__all__])
def test_every_name_of_a_front_is_there(room: object, name: str) -> None:
    assert getattr(room, name) is not None


def test_the_fronts_load_neither_torch_nor_datasets() -> None:
    code = (
        "import sys; import otanalysis.vlm.capture, otanalysis.vlm.lmms_eval; "
        "heavy = {'torch', 'transformers', 'datasets', 'lmms_eval', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
