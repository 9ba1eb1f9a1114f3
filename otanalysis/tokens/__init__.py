"""Token dumps on disk: shards of tokens and thumbnails, a manifest, checksums; written, read, verified.

May import errors, files, locks, scalars, arrays and side.
"""

from __future__ import annotations

from otanalysis.tokens.manifest import Manifest
from otanalysis.tokens.read import Dump, Sample, open_dump
from otanalysis.tokens.verify import DumpReport, verify_dump
from otanalysis.tokens.write import DumpWriter

__all__ = [
    "Dump",
    "DumpReport",
    "DumpWriter",
    "Manifest",
    "Sample",
    "open_dump",
    "verify_dump",
]
