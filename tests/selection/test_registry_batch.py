"""Many images at once: equal to one by one, in both libraries, and without a trip to the host per token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.selection import (
    SELECTORS,
    TOKEN_METHODS,
    Selection,
    StackSelector,
    registry,
    select,
    select_batch,
)
from otanalysis.surrogate import greedy_logdet, otprune_kernel

NAMES = sorted(TOKEN_METHODS)
ON_DEVICE = ["divprune", "dpp", "facility-location", "otprune", "otprune-paper"]
"""Methods that copy nothing to the host."""
TOGETHER = [*ON_DEVICE, "fps", "herding", "max-sum", "pivoted-qr"]


def clouds(*sizes: int, d: int = 6) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.standard_normal((m, d)) + 0.2 for m in sizes]


def awkward() -> list[np.ndarray]:
    """Return clouds of twelve tokens with ties, zeros and too few directions, whose new runs differ."""
    generator = np.random.default_rng(1)
    holed = generator.standard_normal((12, 4))
    holed[[0, 5, 6]] = 0
    return [
        np.ones((12, 4)),
        np.zeros((12, 4)),
        holed,
        np.repeat(generator.standard_normal((3, 4)), 4, axis=0),
        generator.integers(0, 2, (12, 4)).astype(float),
        generator.standard_normal((12, 4)),
        np.eye(12, 4),
    ]


def check_equal(one: Selection, other: Selection) -> None:
    """Assert that two selections agree in every field, gains to the last bit."""
    for field in ("indices", "pick_order", "gains"):
        left, right = getattr(one, field), getattr(other, field)
        assert type(left) is type(right)
        assert (left is None) or np.array_equal(np.asarray(left), np.asarray(right))
    for field in ("method", "keep", "m", "seed", "provenance"):
        assert getattr(one, field) == getattr(other, field)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("in_torch", [False, True])
def test_a_batch_equals_the_loop_for_images_of_mixed_size(name: str, in_torch: bool) -> None:
    images: list[Any] = clouds(20, 31, 20, 7, 31, 20)
    if in_torch:
        images = [pytest.importorskip("torch").from_numpy(image) for image in images]

    together = select_batch(images, name, ratio=0.3, gamma=0.5, normalise="rows", seeds=4)

    assert [one.keep for one in together] == [6, 9, 6, 2, 9, 6]
    for image, one in zip(images, together, strict=True):
        check_equal(one, select(image, name, ratio=0.3, gamma=0.5, normalise="rows", seed=4))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("in_torch", [False, True])
@pytest.mark.parametrize("keep", [1, 5, 12])
def test_a_batch_equals_the_loop_for_ties_zeros_and_new_runs(name: str, in_torch: bool, keep: int) -> None:
    images: list[Any] = awkward()
    if in_torch:
        images = [pytest.importorskip("torch").from_numpy(image) for image in images]

    together = select_batch(images, name, keep=keep)

    for image, one in zip(images, together, strict=True):
        check_equal(one, select(image, name, keep=keep))


def test_the_comparison_sees_one_gain_off_by_an_ulp_and_a_swap() -> None:
    one = select(clouds(9)[0], "otprune", keep=3)
    gains = one.gains.copy()
    gains[1] = np.nextafter(gains[1], 9)

    for change in ({"gains": gains}, {"pick_order": one.pick_order[::-1]}, {"seed": 1}):
        with pytest.raises(AssertionError):
            check_equal(one, Selection(**{**vars(one), **change}))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", TOGETHER)
def test_a_batch_equals_the_loop_whatever_the_number_of_threads(name: str, threads: int) -> None:
    torch = pytest.importorskip("torch")
    # Long products and many picks: where batched products were seen to round in another order.
    images = [torch.from_numpy(image[:, :256]) for image in clouds(257, 257, 257, d=1024)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = select_batch(images, name, keep=250)
        alone = [select(image, name, keep=250) for image in images]
    finally:
        torch.set_num_threads(before)

    for one, other in zip(together, alone, strict=True):
        check_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_torch_keeps_the_indices_of_numpy_as_torch_tensors(name: str) -> None:
    torch = pytest.importorskip("torch")
    images = clouds(40, 25, 40)
    images[0][[3, 8]] = 0

    expected = select_batch(images, name, keep=9)
    together = select_batch([torch.from_numpy(image) for image in images], name, keep=9)

    for one, other in zip(together, expected, strict=True):
        assert isinstance(one.indices, torch.Tensor)
        assert one.indices.dtype == one.pick_order.dtype == torch.int64
        assert one.pick_order.tolist() == other.pick_order.tolist()
        assert one.indices.tolist() == other.indices.tolist()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_short_floats_are_computed_in_double(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    short = [torch.from_numpy(image).to(getattr(torch, dtype)) for image in clouds(18, 18)]

    for one, image in zip(select_batch(short, name, keep=7), short, strict=True):
        assert one.indices.tolist() == select(image.double().numpy(), name, keep=7).indices.tolist()


@pytest.mark.parametrize("in_torch", [False, True])
def test_one_array_of_images_is_a_batch(in_torch: bool) -> None:
    array: Any = np.stack(clouds(15, 15, 15))
    expected = select_batch(list(array), "otprune", keep=4)
    if in_torch:
        array = pytest.importorskip("torch").from_numpy(array)

    together = select_batch(array, "otprune", keep=4)

    assert [one.indices.tolist() for one in together] == [one.indices.tolist() for one in expected]
    assert type(together[0].indices) is type(array)


def test_images_of_both_libraries_and_lists_keep_their_kind() -> None:
    torch = pytest.importorskip("torch")
    first, second, third = clouds(8, 8, 8)

    kinds = [
        type(one.indices) for one in select_batch([first, torch.from_numpy(second), third.tolist()], keep=3)
    ]

    assert kinds == [np.ndarray, torch.Tensor, np.ndarray]


def test_no_images_no_selections() -> None:
    assert select_batch([], "otprune", keep=3) == []


def test_seeds_are_one_for_all_or_one_each() -> None:
    images = clouds(30, 30, 30)

    alike = select_batch(images, "random", keep=9, seeds=5)
    own = select_batch(images, "random", keep=9, seeds=[5, 6, 5])

    assert [one.seed for one in own] == [5, 6, 5]
    assert len({tuple(one.indices) for one in alike}) == 1
    assert [tuple(one.indices) for one in own] == [
        tuple(select(image, "random", keep=9, seed=seed).indices)
        for image, seed in zip(images, (5, 6, 5), strict=True)
    ]
    assert tuple(own[0].indices) != tuple(own[1].indices)
    for seeds in ([5, 6], [5, 6, 5, 6]):
        with pytest.raises(InputError, match=f"got {len(seeds)} for 3"):
            select_batch(images, "random", keep=9, seeds=seeds)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_said_with_the_number_of_the_image(name: str) -> None:
    images = clouds(9, 5, 9)
    holed = [image.copy() for image in images]
    holed[2][4, 1] = np.nan

    with pytest.raises(InputError, match=r"clouds\[2\] must be finite; got 1 NaN .* in 1 rows \(4\)"):
        select_batch(holed, name, keep=3)
    with pytest.raises(InputError, match=r"clouds\[1\]: keep must lie in 1\.\.5, .*; got 7"):
        select_batch(images, name, keep=7)
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.zeros((2, 3, 4))):
        with pytest.raises(InputError, match=r"clouds\[1\] must be a matrix \[m, d\]"):
            select_batch([images[0], wrong], name, ratio=0.5)


def test_other_mistakes_are_refused() -> None:
    images = clouds(9)

    with pytest.raises(InputError, match=r"got shape \(9, 6\): pass one image as \[tokens\]"):
        select_batch(images[0], keep=3)
    with pytest.raises(InputError, match="Unknown method 'otprun'"):
        select_batch(images, "otprun", keep=3)
    with pytest.raises(InputError, match="Exactly one of ratio and keep"):
        select_batch(images)
    with pytest.raises(InputError, match="gamma must be a positive"):
        select_batch(images, keep=3, gamma=-1.0)


@pytest.mark.parametrize("name", NAMES)
def test_the_methods_that_run_images_together_say_so(name: str) -> None:
    selector = SELECTORS[name]

    assert isinstance(selector, StackSelector) == (name in TOGETHER)
    if isinstance(selector, StackSelector):
        for sizes, message in (((9, 5), r"got \[5, 9\]"), ((), "got no images")):
            with pytest.raises(InputError, match=message):
                selector.select_stack(clouds(*sizes), 3)
        with pytest.raises(InputError, match="keep must lie in"):
            selector.select_stack(clouds(9, 9), 10)


@dataclass(frozen=True)
class Third:
    """A selector of a user: every third token. It knows nothing of stacks."""

    name: ClassVar[str] = "third"
    nested: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False

    def __call__(self, tokens: Any, keep: int, **_: Any) -> Selection:
        order = (3 * np.arange(len(tokens)) % len(tokens))[:keep]
        return Selection(np.sort(order), order, None, self.name, keep, len(tokens), None, repr(self))


def test_a_selector_of_ones_own_needs_no_stacks() -> None:
    images = clouds(10, 8, 10)

    together = select_batch(images, Third(), keep=3)

    assert [one.indices.tolist() for one in together] == [[0, 3, 6]] * 3
    assert [one.m for one in together] == [10, 8, 10]


class Recording:
    """OTPrune that records which images came together."""

    name, nested = "otprune", True

    def __init__(self, *, stochastic: bool = False) -> None:
        self.stochastic = stochastic
        self.calls: list[int] = []

    def __call__(self, tokens: Any, keep: int, **_: Any) -> Selection:
        self.calls.append(0)
        return SELECTORS["otprune"](tokens, keep)

    def select_stack(self, images: Sequence[Any], keep: int) -> list[Selection]:
        self.calls.append(len(images))
        return SELECTORS["otprune"].select_stack(images, keep)  # type: ignore[attr-defined]


def test_images_of_one_size_run_together_unless_chance_is_needed() -> None:
    images = clouds(10, 8, 10, 10)
    together, alone = Recording(), Recording(stochastic=True)

    select_batch(images, together, keep=3)
    select_batch(images, alone, keep=3)

    assert together.calls == [3, 1]
    assert alone.calls == [0, 0, 0, 0]


@pytest.mark.parametrize(("images_at_once", "calls"), [(0.5, [1] * 5), (2.5, [2, 2, 1]), (7, [5])])
def test_a_huge_batch_runs_in_parts_that_fit(
    images_at_once: float, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, selector = clouds(*[10] * 5), Recording()
    expected = select_batch(images, "otprune", keep=3)
    # Two matrices [10, 10] and two [3, 10] of eight bytes an image.
    monkeypatch.setattr(registry, "STACK_BYTES", int(images_at_once * 2 * (100 + 30) * 8))

    parts = select_batch(images, selector, keep=3)

    assert selector.calls == calls
    for one, other in zip(parts, expected, strict=True):
        check_equal(one, other)


@pytest.mark.parametrize("name", TOGETHER)
def test_the_memory_of_a_batch_stays_within_what_is_planned(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    limit = 40 * 2**20
    monkeypatch.setattr(registry, "STACK_BYTES", limit)
    images = [image.astype(np.float32) for image in clouds(*[400] * 60)]
    everything = 60 * 16 * 400 * (400 + 40)

    tracemalloc.start()
    try:
        select_batch(images, name, keep=40)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # A matrix or three of the image whose kernel is being made come on top.
    assert peak < limit + 5 * 8 * 400**2
    assert peak < everything / 3


METHODS = ("item", "tolist", "numpy", "cpu", "nonzero", "__array__", "__bool__", "__float__", "__index__")
KERNELS = ("aten._local_scalar_dense", "aten.item", "aten.nonzero", "aten.equal", "aten.is_nonzero")


def trips_to_the_host(work: Callable[[], object]) -> int:
    """Return how often torch had to wait for a value of a tensor, in Python's methods and in its kernels.

    On a GPU every one of them waits for the device. On the host they cost nothing, but can be counted.
    """
    torch = pytest.importorskip("torch")
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    seen: Counter[str] = Counter()

    class Methods(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.__name__ in METHODS:
                seen[func.__name__] += 1
            return func(*args, **(kwargs or {}))

    class Kernels(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            # A boolean mask as an index hides a search for what is true.
            masks = [one for one in tree_leaves(args[1:2]) if getattr(one, "dtype", None) is torch.bool]
            if str(func).startswith(KERNELS) or ("aten.index" in str(func) and masks):
                seen[str(func)] += 1
            return func(*args, **(kwargs or {}))

    with Methods(), Kernels():
        work()
    return seen.total()


def torch_images(number: int, m: int = 40) -> list[Any]:
    torch = pytest.importorskip("torch")
    return [torch.from_numpy(image) for image in clouds(*[m] * number)]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ot-medoids"])
def test_trips_to_the_host_do_not_grow_with_the_kept_tokens(name: str) -> None:
    images = torch_images(3)

    few, many = (
        trips_to_the_host(lambda keep=keep: select_batch(images, name, keep=keep)) for keep in (2, 35)
    )

    assert few == many
    # The verdict that an image's tokens are finite waits once a check; a copy to the host is one more.
    assert 3 <= many <= 3 * (2 if name in ON_DEVICE else 12)


def test_ot_medoids_copies_an_image_once_not_once_a_token() -> None:
    images = torch_images(2)

    trips = [
        trips_to_the_host(lambda keep=keep: select_batch(images, "ot-medoids", keep=keep)) for keep in (2, 35)
    ]

    assert trips[0] == trips[1]


def per_step_item(kernel: Any) -> None:
    for step in range(len(kernel)):
        greedy_logdet(kernel, step + 1)[0][step].item()


def per_step_numpy(kernel: Any) -> None:
    for row in kernel:
        row.numpy()


def per_step_branch(kernel: Any) -> None:
    for row in kernel:
        if row[0] > 0:
            row.sum()


def per_step_mask(kernel: Any) -> None:
    for row in kernel:
        row[row > 0].sum()


def per_step_float(kernel: Any) -> None:
    for row in kernel:
        float(row[0])


@pytest.mark.parametrize(
    "work", [per_step_item, per_step_numpy, per_step_branch, per_step_mask, per_step_float]
)
def test_the_count_sees_code_that_asks_once_a_step(work: Callable[[Any], None]) -> None:
    kernel = pytest.importorskip("torch").from_numpy(otprune_kernel(clouds(20)[0]))

    short, long = (trips_to_the_host(lambda m=m: work(kernel[:m, :m])) for m in (4, 20))

    assert short >= 4
    assert long >= short + 16


def test_a_device_without_double_precision_is_named() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode

    class NoDouble(TorchDispatchMode):
        """Refuses double precision with the words of the mps device."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if (kwargs or {}).get("dtype") is torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
            return func(*args, **(kwargs or {}))

    images = [image.float() for image in torch_images(2)]

    with NoDouble(), pytest.raises(InputError, match=r"float64, which the device cpu does not have.*cpu\(\)"):
        select_batch(images, "otprune", keep=3)
    assert len(select_batch(images, "otprune", keep=3)) == 2


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("name", ["otprune", "random"])
def test_a_nested_tensor_is_refused_before_it_is_asked_for_a_shape(name: str) -> None:
    torch = pytest.importorskip("torch")
    nested = torch.nested.nested_tensor([torch.ones(3, 2), torch.ones(4, 2)])
    with pytest.raises(InputError, match=r"clouds must be a plain tensor.*nested"):
        select_batch(nested, name, keep=1)
    vectors = torch.nested.nested_tensor([torch.ones(3), torch.ones(4)])
    with pytest.raises(InputError, match=r"clouds\[0\] must be a plain tensor.*nested"):
        select_batch([vectors], name, keep=1)
