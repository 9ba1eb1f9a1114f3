"""Is pruning right on this very model? Proven on it, not looked up in a list of families.

:mod:`~otanalysis.vlm.check.model` checks a loaded model from all sides and reports;
:mod:`~otanalysis.vlm.check.proof` holds the two checks that :class:`~otanalysis.vlm.pruned.Pruned` makes of
every new kind of model on its first call. Both compare routes (:mod:`~otanalysis.vlm.check.routes`) by which
the same numbers must come out. May import what :mod:`otanalysis.vlm` may.

Users take the names from :mod:`otanalysis.vlm`: this file has none, because ``Pruned`` needs the proof, and
the full check needs ``Pruned``.
"""
