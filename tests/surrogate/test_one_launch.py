"""The kernels on a GPU, or in Triton's interpreter on the host, against the searches of the host."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.version import Version

from otanalysis.arrays import normalise_tokens
from otanalysis.selection.divprune import farthest_first
from otanalysis.surrogate import cosine_kernel, greedy_logdet, one_launch, otprune_kernel

torch = pytest.importorskip("torch")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
FILES = (Path(__file__), Path(__file__).parents[1] / "selection" / "test_registry_gpu.py")
ROUNDING = 1e-11
"""Of gains whose pivots are as small as a ten-thousandth: products and sums round in another order."""

runs = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason="the kernels run on a GPU; test_in_the_interpreter runs this in Triton's interpreter",
)


def has_interpreter() -> bool:
    # Those before turn arrays of one entry into integers in a way that NumPy 2.4 refuses.
    return importlib.util.find_spec("triton") is not None and Version(version("triton")) >= Version("3.9")


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
@pytest.mark.skipif(not has_interpreter(), reason="needs Triton: pip install 'triton>=3.9'")
def test_in_the_interpreter() -> None:
    # In a process of its own: Triton asks for the interpreter once, when it is loaded.
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, FILES)]
    done = subprocess.run(
        command,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def on_device(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(DEVICE)


def ways(m: int) -> list[dict[str, Any]]:
    """Return the ways to share work: one program an image, several; all steps at once, or one by one."""
    whole = 1 << (m - 1).bit_length()
    found = [{}, {"block": max(16, whole)}, {"block": 16, "at_once": False}]
    return found if INTERPRETED else [*found, {"block": 16}, {"block": 32}]


def clouds(seed: int, m: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((3, m, d))


def check_logdet(kernels: np.ndarray, keep: int, floor: float) -> None:
    order, gains = greedy_logdet(kernels, keep, floor=floor)
    for way in ways(kernels.shape[1]):
        own = one_launch.greedy_logdet(on_device(kernels), keep, floor=floor, **way)

        assert own[0].tolist() == order.tolist(), way
        np.testing.assert_allclose(own[1].cpu().numpy(), gains, rtol=0, atol=ROUNDING, err_msg=str(way))
        assert own[2].tolist() == np.sort(order, axis=1).tolist(), way


def check_farthest(distances: np.ndarray, keep: int) -> None:
    order, gains = farthest_first(distances, keep)
    for way in ways(distances.shape[1]):
        own = one_launch.farthest_first(on_device(distances), keep, **way)

        assert own[0].tolist() == order.tolist(), way
        assert own[1].tolist() == gains.tolist(), way
        assert own[2].tolist() == np.sort(order, axis=1).tolist(), way


@runs
@pytest.mark.parametrize(("m", "d", "keep"), [(40, 30, 9), (18, 50, 18), (1, 3, 1), (17, 2, 2)])
def test_otprune_picks_as_the_host_does(m: int, d: int, keep: int) -> None:
    check_logdet(np.stack([otprune_kernel(cloud) for cloud in clouds(0, m, d)]), keep, floor=1.0)


@runs
@pytest.mark.parametrize("seed", range(2))
def test_a_spanned_kernel_starts_anew(seed: int) -> None:
    # Rank 5: the sixth and the eleventh pick start anew.
    check_logdet(np.stack([cosine_kernel(cloud) for cloud in clouds(seed, 36, 5)]), 12, floor=0.0)


@runs
def test_zero_tokens_come_last_and_by_their_place() -> None:
    tokens = clouds(3, 18, 30)
    tokens[:, ::3] = 0.0
    tokens[2] = 0.0
    kernels = np.stack([cosine_kernel(cloud) for cloud in tokens])
    order, _, _ = one_launch.greedy_logdet(on_device(kernels), 18, floor=0.0)

    assert order[0, -6:].tolist() == list(range(0, 18, 3))
    assert order[2].tolist() == list(range(18))
    check_logdet(kernels, 18, floor=0.0)


@runs
def test_of_equals_the_lowest_place_is_picked_first_over_blocks_too() -> None:
    ties = np.eye(36)[None]
    check_logdet(ties, 36, floor=0.0)
    assert one_launch.greedy_logdet(on_device(ties), 36, floor=0.0)[0][0].tolist() == list(range(36))
    # The best stands in the last block and, the same, in the second.
    better = np.diag(np.where(np.isin(np.arange(36), (20, 35)), 2.0, 1.0))[None]
    check_logdet(better, 4, floor=0.0)
    assert one_launch.greedy_logdet(on_device(better), 4, floor=0.0)[0][0].tolist() == [20, 35, 0, 1]
    check_farthest(1.0 - ties, 36)


@runs
def test_a_floor_is_kept_in_double_precision() -> None:
    # 0.3 is no float32: rounded to one it would not be the gain of a spanned kernel.
    kernels = np.zeros((1, 20, 20))
    _, gains, _ = one_launch.greedy_logdet(on_device(kernels), 3, floor=0.3)

    assert gains.tolist() == [[np.log(0.3)] * 3]


@runs
@pytest.mark.parametrize(("m", "keep"), [(40, 15), (17, 17), (1, 1)])
def test_divprune_picks_as_the_host_does(m: int, keep: int) -> None:
    check_farthest(1.0 - np.stack([cosine_kernel(cloud) for cloud in clouds(4, m, 30)]), keep)


@runs
def test_all_steps_are_one_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = one_launch._kernels()
    launched = []

    class Counted:
        def __getitem__(self, grid: tuple[int, ...]) -> Any:
            launched.append(grid)
            return plain[grid]

    plain = kernels.logdet
    monkeypatch.setattr(kernels, "logdet", Counted())
    matrices = on_device(np.stack([np.eye(20)] * 3))

    one_launch.greedy_logdet(matrices, 9, floor=0.0)
    assert len(launched) == 1
    one_launch.greedy_logdet(matrices, 9, floor=0.0, at_once=False)
    assert len(launched) == 1 + 1 + 9


@runs
@pytest.mark.parametrize("how", ["none", "columns", "rows"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_tokens_are_normalised_as_on_the_host(how: Any, dtype: str) -> None:
    tokens = torch.from_numpy(clouds(5, 37, 70)).to(getattr(torch, dtype))
    tokens[0, :, 3] = tokens[0, 5] = 0.0
    if dtype == "float64":
        tokens[1] *= 1e-200  # squares vanish
        tokens[2] *= 1e200  # squares overflow
    unit, nonzero, bad = one_launch.unit_tokens(tokens.to(DEVICE), how)

    for own, cloud in zip(unit.cpu().numpy(), tokens.double().numpy(), strict=True):
        np.testing.assert_allclose(own, normalise_tokens(cloud, how), rtol=1e-13, atol=0)
    lines = tokens.double().abs().amax(dim=1 if how == "columns" else 2)
    assert nonzero.cpu().tolist() == (lines > 0).double().tolist()
    assert not bad.any()


@runs
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of NumPy, in the interpreter
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("how", ["none", "columns", "rows"])
def test_what_is_not_finite_is_told_of_its_image(how: Any, odd: float) -> None:
    tokens = torch.from_numpy(clouds(6, 37, 70)).half()
    tokens[1, 36, 69] = odd
    _, _, bad = one_launch.unit_tokens(tokens.to(DEVICE), how)

    assert bad.cpu().numpy().any(axis=1).tolist() == [False, True, False]


def test_the_block_is_the_smallest_whose_programs_all_run_at_once() -> None:
    assert [one_launch._fastest_block(images, 576, 132) for images in (1, 10, 32, 44, 66, 100)] == [
        32, 64, 256, 256, 512, 1024,
    ]  # fmt: skip
    assert one_launch._fastest_block(500, 2880, 132) == 4096


def test_nothing_runs_here_without_a_gpu() -> None:
    assert not one_launch.runs_here(np.eye(3))
    assert not one_launch.runs_here(torch.eye(3))
