"""What the manifest of a captured dump records of model, processor and libraries."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, Final

from otanalysis.vlm.capture.pictures import ReadPicture
from otanalysis.vlm.families import is_tried
from otanalysis.vlm.layout import ImageTokens
from otanalysis.vlm.model import VisionLanguageModel, model_fingerprint

_LIBRARIES: Final = ("otanalysis", "torch", "transformers", "tokenizers", "pillow", "numpy")
_OWN_NAMES: Final = frozenset(("grid", "image_sha256", "image_size", "newline_rows", "views"))


def model_provenance(vlm: VisionLanguageModel) -> dict[str, Any]:
    """Return source, kind, class, dtype and device of a model, and the versions of libraries, as JSON values.

    ``source`` is its name on the Hub; a folder's is its last part, for where it lay is nobody's business.

    ``tried`` tells whether the kind is among :data:`~otanalysis.vlm.families.FAMILIES`, which are tested; of
    others it is not known which rows are patches, and all are taken for such.
    """
    model = vlm.model
    loaded_from = str(getattr(model.config, "_name_or_path", "") or vlm.name)
    return {
        "source": vlm.name if Path(loaded_from).exists() else loaded_from,
        "kind": str(model.config.model_type),
        "class": type(model).__name__,
        "tried": is_tried(model),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device.type),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }


def model_revision(vlm: VisionLanguageModel, source: str | PathLike[str], *, progress: bool = False) -> str:
    """Return which weights a model has; see :func:`~otanalysis.vlm.capture.capture.capture_tokens`.

    Parameters
    ----------
    vlm
        The model.
    source
        What it was loaded from.
    progress
        Show a bar with the time left on stderr.

    Returns
    -------
    str
        :func:`~otanalysis.vlm.model.model_fingerprint` of a folder; of a model of the Hub
        the commit, empty if it is not known.
    """
    if Path(source).is_dir():
        return model_fingerprint(source, progress=progress)
    return str(getattr(vlm.model.config, "_commit_hash", None) or "")


def processor_settings(processor: Any) -> dict[str, Any]:
    """Return the settings of a processor and its image processor, as JSON values, with the class that ran."""
    settings = processor.to_dict()
    images = processor.image_processor
    settings["image_processor"] = {**images.to_dict(), "class": type(images).__name__}
    found: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return found


def sample_provenance(
    image: ImageTokens, picture: ReadPicture, extra: Mapping[str, Any], grid: tuple[int, int] | None
) -> dict[str, Any]:
    """Return what the manifest says of one sample.

    Parameters
    ----------
    image
        Its tokens.
    picture
        The picture.
    extra
        What the source says; an entry whose name is taken gets ``source_`` in front.
    grid
        The grid that the manifest gives all samples.

    Returns
    -------
    dict
        The source's entries; ``image_sha256`` and ``image_size`` (height, width) of the picture; ``grid``
        where it is not that of all; ``views``, the grid of each view and the part of the picture that it
        shows, unless a single grid shows all of it; ``newline_rows``, the rows of the model's features
        that are no patches and are left out of the dump.
    """
    own: dict[str, Any] = {
        "image_sha256": picture.sha256,
        "image_size": list(picture.pixels.shape[:2]),
    }
    if image.grid != grid:
        own["grid"] = image.grid and list(image.grid)
    views = [
        {"grid": view.grid and list(view.grid), "box": view.box and list(view.box)} for view in image.views
    ]
    if len(views) > 1 or views[0]["box"] != [0.0, 0.0, 1.0, 1.0]:
        own["views"] = views
    patches = set(image.patches.tolist())
    newlines = [row for row in range(len(image.features)) if row not in patches]
    if newlines:
        own["newline_rows"] = newlines
    return {**{f"source_{name}" if name in _OWN_NAMES else name: extra[name] for name in extra}, **own}
