"""Capture the visual tokens of pictures into dumps: pictures in, one batch at a time, tokens out.

:func:`open_pictures` opens a folder, a list or a dataset, :func:`capture_tokens` writes the dump. Any other
:class:`PictureSource` of :class:`PictureItem` is captured alike. May import what :mod:`otanalysis.vlm` may,
and loads the package ``datasets`` for a name on the Hub.
"""

from otanalysis.vlm.capture.capture import CaptureReport, capture_tokens
from otanalysis.vlm.capture.pictures import PictureItem, PictureSource
from otanalysis.vlm.capture.provenance import model_revision
from otanalysis.vlm.capture.sources import open_pictures

__all__ = [
    "CaptureReport",
    "PictureItem",
    "PictureSource",
    "capture_tokens",
    "model_revision",
    "open_pictures",
]
