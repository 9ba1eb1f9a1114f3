"""The test inside the image: every row is what the public parts say, a stop loses nothing, all is sealed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.mini import BENCHMARKS, bundled_model_path
from otanalysis.selection.steered import draw_steered
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.questions import Asked, bundled_questions
from otanalysis.studies.within import ModelSource, WithinStudy, measure_within, read_within
from otanalysis.vlm import load_model
from otanalysis.vlm.likelihood import AskedPicture

pytest.importorskip("torch")

within_module = import_module("otanalysis.studies.within")

STUDY = WithinStudy(subsets=7, ratio=0.05)
QUIET: dict[str, Any] = {"jobs": 1, "progress": False}


@pytest.fixture(scope="module")
def model() -> ModelSource:
    return ModelSource(str(bundled_model_path()))


@pytest.fixture(scope="module")
def questions() -> list[Asked]:
    """Return five questions, more than one part holds."""
    return bundled_questions(3, benchmarks=("presence", "digit-colour"))[:5]


@pytest.fixture(scope="module")
def measured(model: ModelSource, questions: list[Asked], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measure_within(model, questions, STUDY, out=tmp_path_factory.mktemp("within"), **QUIET)


def test_every_row_is_what_the_public_parts_say(measured: Path, questions: list[Asked]) -> None:
    rows = read_within(measured)
    assert len(rows) == 5 * 2 * 7
    assert list(rows["sample"].drop_duplicates()) == [one.id for one in questions]
    vlm = load_model(bundled_model_path())
    item = BENCHMARKS["digit-colour"].item(0)
    own = rows[rows["sample"] == item.identifier]
    assert own["full_right"].all()
    asked = AskedPicture(vlm, item.picture, item.question.text, item.question.answer)
    tokens = vlm.visual_tokens([item.picture])[0].double().numpy()
    for positions in ("renumbered", "original"):
        drawn = own[own["positions"] == positions]
        assert drawn["number"].tolist() == list(range(7))
        image = Image(tokens)
        kept = kept_of(item.identifier, image)
        found = asked.likelihood(kept, positions=positions)  # type: ignore[arg-type]
        np.testing.assert_allclose(drawn["log_probability"], found.log_probability, atol=1e-5)
        assert drawn["right"].tolist() == found.right.tolist()
        far = [ota.wasserstein2(image, one).squared_distance for one in kept]
        np.testing.assert_allclose(drawn["w2_squared"], far, rtol=1e-9)
        errors = [ota.quantisation_error(image, one) for one in kept]
        np.testing.assert_allclose(drawn["quantisation_error"], errors, rtol=1e-9)


def kept_of(identifier: str, image: Image) -> np.ndarray:
    """Return the subsets of a question of the study, drawn anew from its seed."""
    middles = (np.arange(24) + 0.5) / 24
    places = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    generator = np.random.default_rng([STUDY.seed, crc32(identifier.encode())])
    drawn = draw_steered(image, 29, subsets=STUDY.subsets, generator=generator, places=places)
    return np.stack([one.indices for one in drawn])


def test_what_was_measured_is_not_measured_again(
    model: ModelSource,
    questions: list[Asked],
    measured: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    original = AskedPicture.__init__

    def counted(self: AskedPicture, vlm: Any, picture: Any, question: str, answer: str) -> None:
        asked.append(question)
        original(self, vlm, picture, question, answer)

    monkeypatch.setattr(AskedPicture, "__init__", counted)
    first = read_within(measured)
    again = measure_within(model, questions, STUDY, out=measured.parent, **QUIET)
    assert (again, asked) == (measured, [])
    fewer = measure_within(model, questions[:4], STUDY, out=measured.parent, **QUIET)
    assert asked == [], "the first part is that of more questions"
    assert len(read_within(fewer)) == 4 * 2 * 7
    lost = sorted((measured.parent / "parts-within").glob("*.parquet"))
    assert len(lost) == 2
    for path in lost:
        if pq.read_metadata(path).num_rows == 2 * 7:
            path.unlink()
    healed = measure_within(model, questions, STUDY, out=measured.parent, **QUIET)
    assert asked == [questions[4].question]
    pd.testing.assert_frame_equal(read_within(healed), first)


def test_a_stop_keeps_the_parts_that_are_done(
    model: ModelSource, questions: list[Asked], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = within_module._measure
    few = WithinStudy(subsets=7, ratio=0.05, positions=("renumbered",))

    def stopping(source: Any, study: Any, asked: Sequence[Asked], missing: Sequence[str]) -> Any:
        if len(asked) == 1:
            raise KeyboardInterrupt
        return original(source, study, asked, missing)

    monkeypatch.setattr(within_module, "_measure", stopping)
    with pytest.raises(KeyboardInterrupt, match="1 of 2 parts are kept"):
        measure_within(model, questions, few, out=tmp_path, **QUIET)
    assert len(list((tmp_path / "parts-within").glob("*.parquet"))) == 1


def test_the_provenance_names_model_settings_and_versions(measured: Path) -> None:
    about = read_provenance(measured)
    assert about["settings"] == {"study": repr(STUDY), "questions": 5}
    assert about["model"]["name"] == "mini-llava"
    assert len(about["model"]["revision"]) == 64
    assert about["benchmarks"] == {"presence": 3, "digit-colour": 2}
    assert {"torch", "transformers", "POT"} <= about["measured_with"][0]["versions"].keys()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"subsets": 6}, "subsets must be an integer from 7 on"),
        ({"ratio": 0.0}, "ratio"),
        ({"seed": -1}, "seed"),
        ({"positions": ("left",)}, "positions must be one of renumbered, original"),
        ({"positions": ()}, "each once"),
        ({"positions": ("original", "original")}, "each once"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        WithinStudy(**settings)


def test_questions_that_make_no_sense_are_refused(
    model: ModelSource, questions: list[Asked], tmp_path: Path
) -> None:
    for wrong in ([], [questions[0]] * 2):
        with pytest.raises(InputError, match="an id of its own"):
            measure_within(model, wrong, STUDY, out=tmp_path, **QUIET)
    unknown = Asked(questions[0].picture, "is there a 7 ?", "perhaps", "presence", "scene")
    with pytest.raises(InputError, match=r"Question 'presence-test-00000': The answer 'perhaps'"):
        measure_within(model, [unknown], STUDY, out=tmp_path, **QUIET)


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a table that otanalysis wrote"):
        read_within(tmp_path / "within.parquet")
