"""A model and its processor as the files of a folder, before any of them is written where it belongs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from otanalysis.errors import StorageError
from otanalysis.files import storing


def model_files(model: Any, processor: Any) -> dict[str, bytes]:
    """Return what ``save_pretrained`` of a model and of its processor write, by name.

    :func:`~otanalysis.files.write_together` then brings all of it to a folder, or nothing.

    Parameters
    ----------
    model, processor
        Of transformers; weights are stored in the type that they have.

    Raises
    ------
    StorageError
        There is no room for temporary files.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        try:
            with storing(place):
                model.cpu().save_pretrained(place)
                processor.save_pretrained(place)
        except SafetensorError as error:
            raise StorageError(
                f"The model cannot be written into {place} ({error}): free some space."
            ) from error
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}
