"""What was observed: token dumps on disk (shards, manifest, checksums) and accuracy tables.

This room imports nothing of the package but :mod:`otanalysis.errors`.
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
