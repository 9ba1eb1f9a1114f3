"""The bundled mini benchmark: composed scenes of real handwriting, and eleven kinds of question about them.

A scene is a square of 24 x 24 patches (192 x 192 pixels) on which handwritten digits and coloured shapes lie
on a textured background. Eleven benchmarks ask short questions about such scenes; they span sparse to dense
scenes and local to global questions. The room makes scenes and questions, scores answers, knows where the
bundled model and its dumps lie, exports its benchmarks in the forms of real ones and holds, in
:mod:`otanalysis.mini.training`, the recipe by which the model was trained.

May import the rooms below it in ``.importlinter``. Only ``training`` imports torch and transformers itself.
Names are looked up in their modules when they are asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otanalysis.mini.benchmarks import BENCHMARKS, Benchmark, Item
    from otanalysis.mini.bundled import (
        bundled_accuracy_path,
        bundled_dumps,
        bundled_model_path,
        open_bundled,
        write_bundled_dumps,
    )
    from otanalysis.mini.export import write_pictures, write_results

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Item",
    "bundled_accuracy_path",
    "bundled_dumps",
    "bundled_model_path",
    "open_bundled",
    "write_bundled_dumps",
    "write_pictures",
    "write_results",
]

_HOME = {
    **dict.fromkeys(("BENCHMARKS", "Benchmark", "Item"), "benchmarks"),
    **dict.fromkeys(("write_pictures", "write_results"), "export"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'bundled')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
