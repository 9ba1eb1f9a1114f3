"""Capture the visual tokens of pictures into dumps: pictures in, one batch at a time, tokens out."""

from otanalysis.vlm.capture.capture import capture_tokens
from otanalysis.vlm.capture.sources import open_pictures

__all__ = ["capture_tokens", "open_pictures"]
