"""The front of the mini room has what notebooks and commands use, and loads it when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from otanalysis import mini


@pytest.mark.parametrize("name", mini.__all__)
def test_every_name_of_the_front_is_there(name: str) -> None:
    assert getattr(mini, name) is not None
    assert name in dir(mini)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="bundle"):
        _ = mini.bundle


def test_the_front_alone_loads_no_model_and_no_table() -> None:
    code = (
        "import sys; import otanalysis.mini as mini; heavy = {'otanalysis.vlm', 'pandas', 'scipy', 'torch'}; "
        "print(sorted(heavy & set(sys.modules))); mini.write_pictures; print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]
