"""Handwritten digits from scikit-learn's bundled ``load_digits``, enlarged to the sizes that scenes use.

The first 1,200 images are for training and the other 597 for evaluation, so no handwriting that the model saw
in training appears in a benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.mini.geometry import PATCH, SIZES
from otanalysis.scenes.benchmark import Split

TRAINING_IMAGES = 1200
"""How many of the 1,797 images, counted from the first, belong to the training split."""


@dataclass(frozen=True)
class DigitBank:
    """Digit images as opacity masks, ready to be painted in any colour.

    Attributes
    ----------
    masks
        Size in patches -> opacities, ``uint8`` of shape ``[n, 8 * size, 8 * size]``.
    labels
        The digit that each image shows, shape ``[n]``.
    """

    masks: dict[int, NDArray[np.uint8]]
    labels: NDArray[np.int64]

    def draw(self, digit: int, size: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return one random image of ``digit``, shape ``[8 * size, 8 * size]``."""
        candidates = np.flatnonzero(self.labels == digit)
        chosen = int(generator.choice(candidates))
        mask: NDArray[np.uint8] = self.masks[size][chosen]
        return mask


def _enlarge(image: NDArray[np.float64], side: int, warp: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Resample an 8 x 8 image (0 to 16) to ``side`` pixels through the 2 x 2 matrix ``warp``, centred."""
    matrix = warp * (image.shape[0] / side)
    offset = (image.shape[0] - 1) / 2 - matrix @ np.full(2, (side - 1) / 2)
    enlarged = ndimage.affine_transform(image, matrix, offset=offset, output_shape=(side, side), order=1)
    # Handwriting of 8 x 8 pixels is soft: a steeper slope gives ink with an edge.
    return np.clip((enlarged / 16.0 - 0.15) * 1.6 * 255.0, 0, 255).astype(np.uint8)


def _random_warp(generator: np.random.Generator) -> NDArray[np.float64]:
    angle = generator.normal(0.0, 0.12)
    shear = generator.normal(0.0, 0.10)
    scale = generator.uniform(0.92, 1.12, size=2)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(rotation @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(scale))


@lru_cache(maxsize=4)
def digit_bank(split: Split, *, variants: int = 0, seed: int = 0) -> DigitBank:
    """Load the digits of a split, with ``variants`` slightly turned, sheared and scaled copies of each.

    Parameters
    ----------
    split
        ``"train"`` (the first 1,200 images) or ``"test"`` (the rest).
    variants
        Warped copies of every image beside the image itself; benchmarks use 0.
    seed
        Seed of the warps.

    Raises
    ------
    InputError
        If ``split`` is neither ``"train"`` nor ``"test"``.
    MissingDependencyError
        If scikit-learn is not installed.
    """
    if split not in ("train", "test"):
        raise InputError(f"split must be 'train' or 'test', but {split!r} came")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError(
            "scenes are composed of scikit-learn's digits, which is not installed: "
            "pip install 'otanalysis[vlm]'"
        ) from error
    data = load_digits()
    part = slice(None, TRAINING_IMAGES) if split == "train" else slice(TRAINING_IMAGES, None)
    images, labels = data.images[part], data.target[part]
    generator = np.random.default_rng(seed)
    warps = [np.eye(2)] + [_random_warp(generator) for _ in range(variants * len(images))]
    masks: dict[int, NDArray[np.uint8]] = {}
    for size in SIZES:
        plain = [_enlarge(image, PATCH * size, warps[0]) for image in images]
        warped = [
            _enlarge(images[number % len(images)], PATCH * size, warp)
            for number, warp in enumerate(warps[1:])
        ]
        masks[size] = np.stack(plain + warped)
    return DigitBank(masks, np.tile(labels.astype(np.int64), 1 + variants))
