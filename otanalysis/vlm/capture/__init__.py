"""Capture the visual tokens of pictures into dumps: pictures in, one batch at a time, tokens out."""
