"""Model arguments are refused in one sentence that names the wrong one, before any model is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from otanalysis.errors import InputError
from otanalysis.scores.lmms_eval import PLUGIN_DEFAULTS
from otanalysis.vlm.lmms_eval.arguments import HarnessArguments

GOOD: dict[str, Any] = {"pretrained": "folder", "method": "otprune", "ratio": 0.098}


def test_what_the_harness_hands_on_is_taken() -> None:
    """Numbers come as numbers or, from its own flags, as words; a folder named 2024 comes as a number."""
    given = {**GOOD, "pretrained": 2024, "seed": 3, "batch_size": "4", "device": "cpu", "gamma": 1}
    arguments = HarnessArguments.parse(given)
    assert arguments == HarnessArguments("2024", "otprune", 0.098, 1.0, seed=3, batch_size=4, device="cpu")
    assert arguments.pruning() == {
        "selector": "otprune",
        "ratio": 0.098,
        "gamma": 1.0,
        "gamma_of": "released",
        "normalise": "columns",
        "seed": 3,
        "positions": "renumbered",
        "newlines": "keep",
    }


@pytest.mark.parametrize("given", [{}, {"ratio": 1}])
def test_the_unpruned_model_needs_no_ratio(given: dict[str, Any]) -> None:
    arguments = HarnessArguments.parse({"pretrained": "folder", "method": "full", **given})
    assert (arguments.ratio, arguments.pruning()["ratio"]) == (1.0, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methode": "random"}, r"Unknown model argument 'methode', did you mean 'method'\? Known are pretr"),
        ({"zzz": 1}, r"Unknown model argument 'zzz'\. Known are"),
        ({"pretrained": None}, "pretrained must be pretrained=FOLDER or the name of a model on the Hub; got"),
        ({"method": "otpurne"}, r"method must be one of full, otprune, .*; got 'otpurne'"),
        ({"method": "full"}, r"method=full keeps all tokens, so that ratio=0\.098 cannot be"),
        ({"ratio": 9.8}, r"ratio must be above 0 and at most 1; got 9\.8"),
        ({"ratio": 0}, "ratio must be above 0 and at most 1; got 0"),
        ({"ratio": "10%"}, "ratio must be above 0 and at most 1; got '10%'"),
        ({"ratio": float("nan")}, "ratio must be above 0 and at most 1; got nan"),
        ({"gamma": -1.0}, r"gamma must be a positive number; got -1\.0"),
        ({"gamma": float("inf")}, "gamma must be a positive number; got inf"),
        ({"gamma_of": "mine"}, "gamma_of must be one of released, paper; got 'mine'"),
        ({"seed": 0.5}, r"seed must be a whole number, at least 0; got 0\.5"),
        ({"seed": True}, "seed must be a whole number, at least 0; got True"),
        ({"batch_size": "auto"}, "batch_size must be a whole number, at least 1; got 'auto'"),
        ({"max_new_tokens": 0}, "max_new_tokens must be a whole number, at least 1; got 0"),
        ({"dtype": "int8"}, "dtype must be one of float32, bfloat16, float16, auto; got 'int8'"),
        ({"normalise": "all"}, "normalise must be one of none, columns, rows; got 'all'"),
        ({"positions": 7}, "positions must be one of renumbered, original; got 7"),
        ({"newlines": "lose"}, "newlines must be one of keep, drop; got 'lose'"),
        ({"revision": 1e5}, r"revision must be a branch, a tag or a whole commit hash; got 100000\.0"),
        ({"device": ""}, "device must be a device such as cpu, cuda or cuda:1; got ''"),
    ],
)
def test_a_wrong_argument_gives_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        HarnessArguments.parse({**GOOD, **given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("pretrained", "The model argument pretrained is missing; give pretrained=FOLDER"),
        (
            "method",
            "The model argument method is missing; give method=full for all tokens, or one of otprune",
        ),
        ("ratio", r"method=otprune needs the share of tokens to keep; give ratio=0\.098"),
    ],
)
def test_what_decides_the_numbers_has_no_default(missing: str, message: str) -> None:
    """A run that prunes nothing because an argument was left out must not look like a pruned one."""
    with pytest.raises(InputError, match=message):
        HarnessArguments.parse({name: value for name, value in GOOD.items() if name != missing})


def test_the_importer_of_results_knows_the_defaults() -> None:
    """Results files hold only the arguments that were given."""
    arguments = HarnessArguments.parse(GOOD)
    pruning = {name: str(value) for name, value in arguments.pruning().items()}
    assert pruning == {"selector": "otprune", "ratio": "0.098", **PLUGIN_DEFAULTS}
