"""The front of the room: every name, loaded when it is asked for, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from otanalysis import studies


@pytest.mark.parametrize("name", studies.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(studies, name) is not None
    assert name in dir(studies)
    with pytest.raises(AttributeError, match="swoop"):
        _ = studies.swoop


@pytest.mark.parametrize(
    "code",
    [
        "from otanalysis.studies import sweep, compare, evaluate",
        "import otanalysis.studies.sweep; from otanalysis.studies import compare, sweep, evaluate",
        "from otanalysis.studies import read_sweep, sweep\n"
        "from otanalysis.studies.evaluate import measurable_methods\n"
        "import otanalysis.studies.compare\n"
        "from otanalysis.studies import compare, evaluate",
    ],
)
def test_a_function_is_not_hidden_by_its_module(code: str) -> None:
    kinds = "print(*(type(one).__name__ for one in (sweep, compare, evaluate)))"
    run = subprocess.run([sys.executable, "-c", f"{code}\n{kinds}"], capture_output=True, text=True)
    assert run.stdout.split() == ["function"] * 3, run.stderr


def test_the_room_alone_loads_nothing_heavy() -> None:
    heavy = ("pandas", "pyarrow", "joblib", "scipy", "torch")
    code = f"import otanalysis.studies, sys; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
