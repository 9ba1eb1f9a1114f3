"""A report is passed only by checks that were made; what cannot be run is no pass, and reasons are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otanalysis.vlm.check.report import (
    ALL_KEPT,
    DROPPING,
    Finding,
    ModelReport,
    NotCheckableError,
    found,
)


def report(*findings: Finding) -> ModelReport:
    about = {"model": "Made", "kind": "made", "transformers": "5.23", "attention": "sdpa"}
    return ModelReport(
        **about, dtype="float32", device="cpu", findings=findings, notes=("One note.",), seconds=1.0
    )


def passed(check: str) -> Finding:
    return Finding(check, "passed", "it is so", 0.0, 0.0)


def failed(check: str) -> Finding:
    return Finding.of(check, 0.5, 0.25, "words differ")


@pytest.mark.parametrize(
    ("findings", "wanted"),
    [
        ([passed(ALL_KEPT), passed(DROPPING)], True),
        ([passed(ALL_KEPT), passed(DROPPING), Finding("d", "not checkable", "no padding")], True),
        ([passed(ALL_KEPT), passed(DROPPING), failed("e leaving")], False),
        ([passed(ALL_KEPT), failed(DROPPING)], False),
        ([passed(ALL_KEPT), Finding(DROPPING, "not checkable", "no mask")], False),
        ([passed(ALL_KEPT)], False),
    ],
)
def test_only_both_proofs_without_any_failure_are_a_pass(findings: list[Finding], wanted: bool) -> None:
    assert report(*findings).passed is wanted
    assert ("NOT PASSED" in str(report(*findings))) is not wanted


def test_the_table_has_every_check_and_the_reason_of_what_did_not_pass() -> None:
    text = repr(report(passed(ALL_KEPT), failed(DROPPING), Finding("d batch", "not checkable", "no padding")))
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["b", "c", "d"]
    assert lines[4].split()[-3:] == ["failed", "0.5", "0.25"]
    assert lines[5].split()[-2:] == ["-", "-"]
    assert lines[7:] == [f"{DROPPING}: words differ", "d batch: no padding", "One note."]


def test_the_record_is_plain_values() -> None:
    record: dict[str, Any] = json.loads(json.dumps(report(failed(DROPPING)).record()))
    assert record["passed"] is False
    assert record["findings"][0] == {
        "check": DROPPING,
        "verdict": "failed",
        "reason": "words differ",
        "difference": 0.5,
        "allowed": 0.25,
    }


def test_code_that_cannot_be_run_as_wanted_is_not_checkable() -> None:
    def refuses(_name: str) -> Finding:
        raise NotCheckableError("there is nothing to see")

    def breaks(_name: str) -> Finding:
        raise TypeError("no such argument\nand more")

    assert found("c", refuses) == Finding("c", "not checkable", "there is nothing to see")
    assert found("c", breaks) == Finding("c", "not checkable", "TypeError: no such argument")
    assert found("c", passed) == passed("c")


def test_a_difference_that_is_no_number_fails() -> None:
    assert Finding.of("c", float("nan"), 1.0, "so").verdict == "failed"
    assert Finding.of("c", 1.0, 1.0, "so").verdict == "passed"
    assert "largest difference 0.5, allowed 0.25" in str(failed("c"))
