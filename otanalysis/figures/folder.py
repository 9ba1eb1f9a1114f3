"""The folder that figures are written into, each with its caption as soon as it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from otanalysis.figures.captions import join_captions
from otanalysis.figures.record import CAPTIONS, Files, Made, Record, content
from otanalysis.files import make_folder, write_together
from otanalysis.progress import say
from otanalysis.reading import read_text


class FiguresFolder:
    """A folder of figures, their numbers and captions, for who is alone in writing there.

    Parameters
    ----------
    path : Path
        Made with the first file.
    shown : bool
        Say on stderr which pictures are written.

    Attributes
    ----------
    record : Record
        Of what all that is in the folder was made.

    Raises
    ------
    InputError
        If the captions that are there already are no text.
    """

    def __init__(self, path: Path, *, shown: bool = False) -> None:
        self.path, self.record = path, Record(path)
        self._shown, self._put = shown, dict[str, None]()
        known = path / CAPTIONS
        self._captions = read_text(known) if known.is_file() else ""

    def make(self, name: str, key: str, make: Callable[[], Made]) -> None:
        """Put some work here, unless it is there and was made of the same.

        Parameters
        ----------
        name, key, make
            As for :meth:`~otanalysis.figures.record.Record.get`.

        Raises
        ------
        StorageError
            As for :meth:`put`.
        """
        made = self.record.get(name, key, make)
        self.put(made.files, made.caption)

    def put(self, files: Files, caption: str = "") -> None:
        """Write files, all of them or none; those that are there with this content stay.

        Parameters
        ----------
        files : dict
            From name to content.
        caption : str
            Of the figure that they are; those of other figures stay.

        Raises
        ------
        StorageError
            If there is no room, or the folder may not be written.
        """
        make_folder(self.path)
        if caption:
            self._captions = join_captions(self._captions, caption)
            files = files | {CAPTIONS: self._captions.encode()}
        self._put |= dict.fromkeys(files)
        known = files | self.record.file()
        new = {name: data for name, data in known.items() if content(self.path / name) != data}
        write_together(self.path, new)
        for name in new:
            if self._shown and name.endswith(".png"):
                say(f"wrote {self.path / name}")

    @property
    def written(self) -> list[Path]:
        """What was put here, whether it was new or there already; captions come last."""
        return [self.path / name for name in sorted(self._put, key=CAPTIONS.__eq__)]
