"""Tables to figures: this room draws and words, and computes no statistics.

It may import every room above it (``experiments``, ``scenes``, ``selection``, ``tokens``); it is the only one
that imports matplotlib. A ``draw_figureN`` takes a table and returns a matplotlib ``Figure`` without touching
pyplot's global state; :mod:`~otanalysis.figures.build` does what is missing before it and saves.
"""
