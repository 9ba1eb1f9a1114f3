"""Dumps of the tokens that a model makes of the scenes of benchmarks, one dump a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from otanalysis.locks import held
from otanalysis.progress import progress_bar
from otanalysis.scenes.benchmark import Item, SceneBenchmark
from otanalysis.tokens import DumpWriter
from otanalysis.tokens.manifest import MANIFEST_NAME
from otanalysis.vlm.capture.stages import batches
from otanalysis.vlm.model import VisionLanguageModel

_BATCH = 8


@dataclass(frozen=True)
class SceneDumps:
    """Dumps of the first held-out scenes of benchmarks; :meth:`write` writes those that are missing.

    Attributes
    ----------
    folder : Path
        Where they lie, each in a folder of its benchmark's name.
    scenes : int
        Scenes a dump.
    revision : str
        Of the model, for the manifests.
    grid : tuple of int
        Rows and columns of tokens of every picture.
    dtype : {"float16", "float32"}
        Type of the stored tokens.
    about : mapping
        JSON values that every manifest holds, beside the split and where the tokens are from.
    """

    folder: Path
    scenes: int
    revision: str
    grid: tuple[int, int]
    dtype: Literal["float16", "float32"]
    about: Mapping[str, Any] = field(default_factory=dict)

    def write(
        self,
        benchmarks: Sequence[SceneBenchmark[Any]],
        load: Callable[[], VisionLanguageModel],
        *,
        progress: bool = True,
    ) -> list[Path]:
        """Write the dumps that are missing, and go on with those that an earlier run began.

        Parameters
        ----------
        benchmarks : sequence of SceneBenchmark
            Of which scenes.
        load : callable
            Returns the model; called only if a dump is missing.
        progress : bool
            Show a bar with the time left on stderr.

        Returns
        -------
        list of Path
            The dumps, in the order of the benchmarks.
        """
        if self._missing(benchmarks):
            vlm = load()
            with held(self.folder, "writing dumps of scenes", wait=True):
                # Another process may have written some, while this one waited.
                self._write(self._missing(benchmarks), vlm, progress=progress)
        return [self.folder / one.name for one in benchmarks]

    def _missing(self, benchmarks: Sequence[SceneBenchmark[Any]]) -> list[SceneBenchmark[Any]]:
        return [one for one in benchmarks if not (self.folder / one.name / MANIFEST_NAME).is_file()]

    def _write(
        self, benchmarks: Sequence[SceneBenchmark[Any]], vlm: VisionLanguageModel, *, progress: bool
    ) -> None:
        with progress_bar("dumps", "scenes", shown=progress) as bar:
            task = bar.add_task("dumps", total=len(benchmarks) * self.scenes)
            for benchmark in benchmarks:
                with self._writer(benchmark, vlm) as writer:
                    for batch in batches(benchmark.scenes(self.scenes), _BATCH):
                        _add(writer, vlm, batch)
                        bar.advance(task, len(batch))

    def _writer(self, benchmark: SceneBenchmark[Any], vlm: VisionLanguageModel) -> DumpWriter:
        return DumpWriter(
            self.folder / benchmark.name,
            model=vlm.name,
            revision=self.revision,
            benchmark=benchmark.name,
            layer=int(vlm.model.config.vision_feature_layer),
            select_strategy=str(vlm.model.config.vision_feature_select_strategy),
            processor=vlm.processor.image_processor.to_dict(),
            grid=self.grid,
            dtype=self.dtype,
            extra={"split": "test", "tokens": "after the projector", **benchmark.about, **self.about},
        )


def _add(writer: DumpWriter, vlm: VisionLanguageModel, batch: list[Item[Any]]) -> None:
    """Encode and add those items that an earlier, stopped run did not."""
    batch = [item for item in batch if item.scene_identifier not in writer]
    if not batch:
        return
    for item, tokens in zip(batch, vlm.visual_tokens([item.picture for item in batch]), strict=True):
        extra = {"question": item.question.text, "answer": item.question.answer}
        writer.add(item.scene_identifier, tokens.numpy(), extra=extra, thumbnail=item.picture, side=item.side)
