"""Reading one array from one file of a dump."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from otanalysis.errors import DumpError
from otanalysis.tokens.manifest import ShardEntry

__all__ = ["ADVICE", "Stored"]

ADVICE = "copy the dump again, or write it again"


@dataclass(frozen=True)
class Stored:
    """Where the array of one sample lies.

    Attributes
    ----------
    folder : Path
        Of the dump.
    shard : ShardEntry
        The file, as the manifest lists it.
    id : str
        Of the sample: the name of the array in the file.
    """

    folder: Path
    shard: ShardEntry
    id: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.shard.file

    def read(self) -> NDArray[Any]:
        """Read the array.

        Raises
        ------
        DumpError
            The file is missing, truncated or unreadable, or holds no such array.
        """
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise DumpError(f"The shard {self.path} cannot be read ({error.strerror}); {ADVICE}.") from error
        if size != self.shard.size:
            raise DumpError(
                f"The shard {self.path} is damaged: {self.shard.size} bytes were written, {size} are there; "
                f"{ADVICE}."
            )
        try:
            with safe_open(self.path, framework="numpy") as handle:
                stored: NDArray[Any] = handle.get_tensor(self.id)
        except SafetensorError as error:
            raise DumpError(
                f"The sample {self.id!r} cannot be read from {self.path} ({error}); {ADVICE}."
            ) from error
        return stored
