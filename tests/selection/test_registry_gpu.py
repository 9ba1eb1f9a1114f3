"""Whole selections on a GPU, or in Triton's interpreter, against those of the host.

``tests/surrogate/test_one_launch.py`` starts the interpreter.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.selection import SELECTORS, Selection, select, select_batch
from otanalysis.selection.otprune import OTPrune
from otanalysis.surrogate import one_launch

torch = pytest.importorskip("torch")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
GREEDY = ("otprune", "otprune-paper", "dpp", "divprune")
CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "golden_selection.json").read_text()
)["cases"]

pytestmark = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason="the kernels run on a GPU or in Triton's interpreter (pip install 'triton>=3.9')",
)
gpu = pytest.mark.skipif(INTERPRETED, reason="too much for the interpreter")


@pytest.fixture(autouse=True)
def _kernels_take_tensors_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    if INTERPRETED:
        monkeypatch.setattr(one_launch, "runs_here", lambda array: isinstance(array, torch.Tensor))


def draw(case: dict[str, Any]) -> np.ndarray:
    """Draw the tokens as the file describes them."""
    r, m, d = np.random.default_rng(case["seed"]), case["m"], case["d"]
    if case["kind"] == "gaussian":
        return r.standard_normal((m, d))
    if case["kind"] == "anisotropic":
        return r.standard_normal((m, d)) * np.exp(-np.arange(d) / (d / 4)) + r.standard_normal(d)
    centres = 2 * r.standard_normal((8, d))
    return centres[r.integers(0, 8, size=m)] + 0.3 * r.standard_normal((m, d))


def check_same(own: Selection, host: Selection) -> None:
    assert own.pick_order.tolist() == host.pick_order.tolist()
    assert own.indices.tolist() == host.indices.tolist()
    assert own.gains is not None
    assert host.gains is not None
    np.testing.assert_allclose(own.gains.cpu().numpy(), host.gains, rtol=1e-9, atol=1e-11)
    assert own.pick_order.device.type == DEVICE
    assert (own.method, own.keep, own.m, own.seed) == (host.method, host.keep, host.m, host.seed)
    assert own.provenance == host.provenance


@pytest.mark.parametrize("case", [case for case in CASES if case["keep"] <= 12 or not INTERPRETED])
def test_the_released_picks(case: dict[str, Any]) -> None:
    tokens = torch.from_numpy(draw(case)).to(DEVICE)

    assert select(tokens, "otprune", ratio=case["ratio"]).indices.tolist() == case["otprune_sorted"]
    assert select(tokens, "divprune", ratio=case["ratio"]).pick_order.tolist() == case["divprune_pick_order"]


@pytest.mark.parametrize("method", GREEDY)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_selections_are_those_of_the_host(method: str, dtype: str) -> None:
    tokens = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 40, 24)))
    tokens = tokens.to(getattr(torch, dtype))
    own = select_batch(tokens.to(DEVICE), method, keep=11)

    for selection, cloud in zip(own, tokens.double().numpy(), strict=True):
        check_same(selection, select(cloud, method, keep=11))


@pytest.mark.parametrize(
    "parameters",
    [{"gamma": 2.0}, {"gamma": 2.0, "gamma_of": "paper"}, {"normalise": "rows"}, {"normalise": "none"}],
)
def test_parameters_of_otprune(parameters: dict[str, Any]) -> None:
    tokens = np.random.default_rng(2).standard_normal((40, 24))
    own = select(torch.from_numpy(tokens).to(DEVICE), "otprune", keep=11, **parameters)

    check_same(own, select(tokens, "otprune", keep=11, **parameters))


def test_tokens_are_made_ready_a_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = np.random.default_rng(3).standard_normal((5, 20, 12))
    monkeypatch.setattr(one_launch, "UNIT_BYTES", 2 * 8 * 20 * 12)  # two images

    for selection, cloud in zip(
        select_batch(torch.from_numpy(tokens).to(DEVICE), "dpp", keep=7), tokens, strict=True
    ):
        check_same(selection, select(cloud, "dpp", keep=7))


@pytest.mark.parametrize("method", GREEDY)
def test_what_is_not_finite_is_refused_by_the_number_of_its_image(method: str) -> None:
    tokens = torch.from_numpy(np.random.default_rng(4).standard_normal((3, 20, 12))).half()
    tokens[2, 7, 3] = float("nan")

    with pytest.raises(InputError, match=r"clouds\[2\] must be finite; got 1 NaN .* rows \(7\)"):
        select_batch(tokens.to(DEVICE), method, keep=5)
    with pytest.raises(InputError, match="tokens must be finite"):
        select(tokens[2].to(DEVICE), method, keep=5)


@pytest.mark.parametrize("wrong", [{"gamma": 0.0}, {"normalise": "cubes"}])
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    tokens = torch.from_numpy(np.random.default_rng(5).standard_normal((20, 12))).to(DEVICE)

    with pytest.raises(InputError):
        select(tokens, "otprune", keep=5, **wrong)


def test_a_method_that_changes_the_matrix_is_run_with_its_own() -> None:
    @dataclass(frozen=True)
    class Reversed(OTPrune):
        name: ClassVar[str] = "reversed"

        def matrix(self, image: Any) -> Any:
            return torch.diag(torch.arange(1.0, len(image) + 1, dtype=torch.float64)).to(DEVICE)

    tokens = torch.from_numpy(np.random.default_rng(6).standard_normal((2, 20, 12))).to(DEVICE)

    for selection in select_batch(tokens, Reversed(), keep=3):
        assert selection.pick_order.tolist() == [19, 18, 17]


def test_the_host_waits_once_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []
    plain = torch.Tensor.cpu
    monkeypatch.setattr(
        torch.Tensor, "cpu", lambda self, *args, **kw: waits.append(0) or plain(self, *args, **kw)
    )
    tokens = torch.from_numpy(np.random.default_rng(7).standard_normal((4, 20, 12))).to(DEVICE)
    select_batch(tokens, "otprune", keep=5)

    assert len(waits) == 1


@gpu
@pytest.mark.parametrize("method", GREEDY)
@pytest.mark.parametrize(
    ("m", "d", "keep"), [(64, 32, 10), (100, 16, 40), (200, 64, 50), (50, 8, 50), (300, 128, 30)]
)
def test_a_thousand_random_clouds(method: str, m: int, d: int, keep: int) -> None:
    tokens = np.random.default_rng(m).standard_normal((200, m, d))
    own = select_batch(torch.from_numpy(tokens).to(DEVICE), method, keep=keep)

    for selection, cloud in zip(own, tokens, strict=True):
        assert selection.pick_order.tolist() == SELECTORS[method](cloud, keep).pick_order.tolist()


@gpu
@pytest.mark.parametrize("method", GREEDY)
@pytest.mark.parametrize(("images", "m", "keep"), [(1, 576, 115), (32, 576, 56), (2, 2880, 282)])
def test_sizes_of_models(method: str, images: int, m: int, keep: int) -> None:
    generator = torch.Generator(DEVICE).manual_seed(m)
    tokens = torch.randn((images, m, 1024), generator=generator, device=DEVICE).half()
    own = select_batch(tokens, method, keep=keep)

    for selection, cloud in list(zip(own, tokens.double().cpu().numpy(), strict=True))[:2]:
        assert selection.pick_order.tolist() == select(cloud, method, keep=keep).pick_order.tolist()


@gpu
def test_no_step_waits_for_the_gpu() -> None:
    tokens = torch.randn((4, 576, 64), device=DEVICE)
    select_batch(tokens, "otprune", keep=56)  # compiles
    matrices, _ = OTPrune().matrices(tokens)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = one_launch.greedy_logdet(matrices, 56, floor=1.0), one_launch.farthest_first(matrices, 56)
        with pytest.raises(RuntimeError, match="synchronizing"):  # the mode sees a wait where there is one
            matrices.cpu()
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert [one[0].shape for one in found] == [(4, 56)] * 2
