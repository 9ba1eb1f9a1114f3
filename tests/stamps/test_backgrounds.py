"""Photographs behind the objects: whose they are, and which of them training never sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.stamps import backgrounds
from otanalysis.stamps.backgrounds import backgrounds_checksum, open_style
from otanalysis.stamps.natural import NaturalStyle
from otanalysis.stamps.smooth import SmoothStyle
from otanalysis.stamps.style import Photograph


def test_smooth_backgrounds_have_the_photographs_of_scikit_learn() -> None:
    style = open_style("smooth", "test")
    assert isinstance(style, SmoothStyle)
    shown = [np.asarray(Image.open(one.file)) for one in style.photographs]
    for one, image in zip(shown, load_sample_images().images, strict=True):
        np.testing.assert_array_equal(one, image)


def test_a_folder_is_split_so_that_no_photograph_is_in_both(photographs: Path) -> None:
    styles = {split: open_style(str(photographs), split) for split in ("train", "test")}
    names = {split: [one.file.name for one in style.photographs] for split, style in styles.items()}
    assert names == {"train": ["0.png", "1.png", "2.png"], "test": ["3.png"]}
    assert styles["test"].photographs == (Photograph(photographs / "3.png", (330, 240)),)
    assert all(isinstance(style, NaturalStyle) for style in styles.values())


def test_the_checksum_is_of_the_content(photographs: Path, tmp_path: Path) -> None:
    for file in photographs.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert backgrounds_checksum(str(tmp_path)) == backgrounds_checksum(str(photographs))
    assert backgrounds_checksum("smooth") != backgrounds_checksum(str(photographs))


def test_what_is_no_folder_of_two_large_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="smooth, natural or a folder of photographs; got 'rough'"):
        open_style("rough", "test")
    with pytest.raises(InputError, match="holds 0 photographs"):
        open_style(str(tmp_path), "test")
    for name, size in (("large.png", (300, 300)), ("small.png", (300, 229))):
        Image.new("RGB", size).save(tmp_path / name)
    with pytest.raises(InputError, match=r"small\.png has 300 x 229 pixels, and 230"):
        open_style(str(tmp_path), "test")
    (tmp_path / "small.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"small\.png cannot be read as a picture"):
        open_style(str(tmp_path), "test")


def test_a_missing_package_of_photographs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backgrounds, "find_spec", {"sklearn": backgrounds.find_spec("sklearn")}.get)
    with pytest.raises(
        MissingDependencyError, match=r"scikit-image .* pip install scikit-image, or give a folder"
    ):
        open_style("natural", "test")


def test_natural_backgrounds_are_the_photographs_of_both_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a package that is made up: it need not be installed."""
    data = tmp_path / "skimage" / "data"
    data.mkdir(parents=True)
    (tmp_path / "skimage" / "__init__.py").touch()
    for name in backgrounds._OF_SCIKIT_IMAGE:
        Image.new("RGB", (240, 240)).save(data / name)
    monkeypatch.syspath_prepend(tmp_path)
    names = {
        split: [one.file.name for one in open_style("natural", split).photographs]
        for split in ("train", "test")
    }
    assert sorted(names["train"] + names["test"]) == sorted(
        backgrounds._OF_SCIKIT_LEARN + backgrounds._OF_SCIKIT_IMAGE
    )
    assert len(names["test"]) == 3
