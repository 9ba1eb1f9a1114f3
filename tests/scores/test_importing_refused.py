"""What looks right and is not: parts for the whole, columns that shift, damaged files, other filters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.reading import read_json
from otanalysis.scores import (
    READERS,
    TASKS,
    Choice,
    Score,
    Settings,
    import_results,
    read_accuracy,
    write_accuracy,
)

Write = Callable[..., Path]
NAMED = Settings(method="otprune", ratio=0.098)
BOM = b"\xef\xbb\xbf"


def edited(run: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the content of the results file below a folder; return the folder."""
    file = next(run.rglob("*results.json"))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return run


def kit(folder: Path, name: str, content: str) -> Path:
    file = folder / "llava" / f"llava_{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


# Parts of a benchmark.

PARTS = {
    "POPE_score": ("adversarial", "84.2", "pope", "Overall"),
    "MMMU_DEV_VAL_acc": ("dev", "0.31", "mmmu_val", "validation"),
    "ScienceQA_TEST_acc": ("val", "0.69", "scienceqa_img", "test"),
    "MMBench_DEV_EN_acc": ("test", "0.6", "mmbench_en_dev", "dev"),
    "SEEDBench_IMG_acc": ("train", "0.6", "seedbench", "test"),
    "GQA_TestDev_Balanced_acc": ("train", "60", "gqa", "Overall"),
    "COCO_VAL_score": ("train", "96", "coco2017_cap_val", "none"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_row_of_another_split_is_not_the_whole_and_can_be_asked_for(tmp_path: Path, name: str) -> None:
    part, value, task, whole = PARTS[name]
    column = "CIDEr" if name.startswith("COCO") else "Overall"
    file = kit(tmp_path, name, f"split,{column}\n{part},{value}\n")
    for results in (file, file.parent, tmp_path):
        with pytest.raises(InputError, match=rf"split {part}\), and one of split .* is wanted") as caught:
            import_results([results], NAMED)
    advised = re.search(r"--metric (\S+?)=(\S+),SPLIT", str(caught.value))
    assert advised is not None
    rows = import_results([file], NAMED, metrics={advised[1]: f"{advised[2]},{part}"})
    assert rows.benchmark.tolist() == [task]
    assert rows.metric.tolist() == [f"{TASKS[task].metric},{part}"], "never under the name of the whole"
    kit(tmp_path, name, f"split,{column}\n{part},{value}\n{whole},{value}\n")
    both = import_results([file], NAMED)
    assert both.metric.tolist() == [TASKS[task].metric]
    assert both.value.tolist() == rows.value.tolist(), "on one scale"


@pytest.mark.parametrize("split", ["none", "", "NaN"])
@pytest.mark.parametrize("name", ["SEEDBench_IMG_acc", "POPE_score", "MMMU_DEV_VAL_acc"])
def test_a_row_without_a_split_is_the_whole(tmp_path: Path, name: str, split: str) -> None:
    written = "59.47" if name.startswith("POPE") else "0.5947"
    file = kit(tmp_path, name, f'"split","Overall"\n"{split}","{written}"\n')
    [value] = import_results([file], NAMED).value
    assert value == 59.47
    assert import_results([kit(tmp_path, name, f"Overall\n{written}\n")], NAMED).metric.item() in (
        "Acc",
        "F1",
    )


def test_a_part_of_an_unknown_dataset_keeps_its_name(tmp_path: Path) -> None:
    file = kit(tmp_path, "AI2D_TEST_acc", "split,Overall\ntest,0.5\n")
    with pytest.raises(InputError, match=r"--metric AI2D_TEST=KEY"):
        import_results([file], NAMED)
    with pytest.raises(InputError, match=r"--metric AI2D_TEST=Overall,SPLIT"):
        import_results([file], NAMED, metrics={"AI2D_TEST": "Overall"})
    rows = import_results([file], NAMED, metrics={"AI2D_TEST": "Overall,test"})
    assert rows[["metric", "value"]].to_numpy().tolist() == [["Overall,test", 0.5]]


def test_another_column_is_taken_from_the_row_of_the_whole_and_the_headline_keeps_its_name(
    tmp_path: Path,
) -> None:
    file = kit(tmp_path, "MMMU_DEV_VAL_acc", "split,Overall,Art\ndev,0.2,0.1\nvalidation,0.4,0.3\n")
    rows = import_results([file], NAMED, metrics={"mmmu_val": "Art"})
    assert rows[["metric", "value"]].to_numpy().tolist() == [["Art", 0.3]]
    named = import_results([file], NAMED, metrics={"mmmu_val": "Overall"})
    pd.testing.assert_frame_equal(named, import_results([file], NAMED))
    assert named[["metric", "value"]].to_numpy().tolist() == [["Acc", 40.0]]


def test_two_rows_of_one_split_are_refused(tmp_path: Path) -> None:
    file = kit(tmp_path, "POPE_score", "split,Overall\nOverall,84.2\nOverall,80\n")
    with pytest.raises(InputError, match=r"2 rows \(split Overall, Overall\), and one of split Overall"):
        import_results([file], NAMED)


@pytest.mark.parametrize(
    ("task", "part", "whole"),
    [
        ("pope", "adversarial", "Overall"),
        ("mmmu_val", "dev", "validation"),
        ("scienceqa_img", "val", "test"),
        ("textvqa_val", "train", "val"),
    ],
)
def test_a_part_in_a_table_is_not_the_whole(tmp_path: Path, task: str, part: str, whole: str) -> None:
    metric = TASKS[task].metric if task in TASKS else "EM"
    for name, read in (("plain", lambda file: import_results([file])), ("table", read_accuracy)):
        file = tmp_path / f"{name}.csv"
        head, row = "model,benchmark,method,ratio,metric,value,split\n", f"m,{task},full,1,{metric},61.5,"
        file.write_text(f"{head}{row}{part}\n")
        with pytest.raises(InputError, match=f"the split {part} .*of {task}.*: leave it out"):
            read(file)
        for split in (whole, "", "none", "all", "Overall"):
            file.write_text(f"{head}{row}{split}\n")
            assert read(file).value.tolist() == [61.5]


@pytest.mark.parametrize("layout", ["write_lmms", "write_older"])
def test_a_task_that_was_scored_on_another_split_is_refused(
    request: pytest.FixtureRequest, layout: str
) -> None:
    written = request.getfixturevalue(layout)({"mmmu_val": 0.4, "pope": 0.8})
    folder = written if written.is_dir() else written.parent

    def dev(content: dict[str, Any]) -> None:
        content["configs"]["mmmu_val"]["test_split"] = "dev"

    given = Settings(None, "otprune", 0.098)
    with pytest.raises(
        InputError, match=r"mmmu_val was scored on the split dev, and the name means validation"
    ):
        import_results([edited(folder, dev)], given)
    assert import_results([folder], given, tasks=["pope"]).value.tolist() == [80.0]


# Columns that shift.

HEAD = "model,benchmark,method,metric,value,n\n"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("m,gqa,full,EM,61.9,12578,\nm,pope,full,F1,85.9,8910\n", 2),
        ("m,gqa,full,EM,61.9,12578,\nm,pope,full,F1,85.9,8910,\n", 2),
        ("m,gqa,full,EM,61.9,12578\nm,pope,full,F1,85.9,8910,\n", 3),
        ("m,gqa,full,EM,61.9,12578\n\nm,pope,full,F1,85.9\n", 4),
        ("m,gqa,full,EM,61,9,12578\n", 2),
    ],
)
def test_rows_of_another_length_are_refused_with_their_line(tmp_path: Path, rows: str, line: int) -> None:
    for read in (lambda file: import_results([file]), read_accuracy):
        file = tmp_path / "scores.csv"
        file.write_text(HEAD + rows)
        with pytest.raises(InputError, match=rf"Line {line} of .*scores\.csv has \d cells, and 6 columns"):
            read(file)
    file = kit(tmp_path, "POPE_score", "split,Overall,acc\nOverall,79.5,80.1,\n")
    with pytest.raises(InputError, match=r"Line 2 of .*POPE_score\.csv has 4 cells"):
        import_results([file], NAMED)


def test_the_cell_that_is_no_number_is_blamed(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(HEAD + "m,gqa,full,EM,61.9,\nm,pope,full,F1,-,\n")
    with pytest.raises(InputError, match=r"The value in line 3 of .* is '-', and a finite number"):
        import_results([file])
    with pytest.raises(InputError, match=r"has '-' as value in row 1"):
        read_accuracy(file)
    pope = kit(tmp_path, "POPE_score", "split,Overall\nOverall,79.5\nrandom,-\n")
    assert import_results([pope], NAMED).value.tolist() == [79.5]


# Damaged files in a folder.

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[:-9],
    "empty": lambda _: b"",
    "other encoding": lambda content: content.decode().encode("utf-16"),
    "no results": lambda _: b"{}",
    "a list": lambda content: b"[" + content + b"]",
    "null": lambda content: json.dumps(json.loads(content) | {"results": None}).encode(),
    "a number": lambda content: json.dumps(json.loads(content) | {"results": 5}).encode(),
    "deep": lambda _: b'{"results": ' + b"[" * 100_000,
    "NaN key": lambda content: content.replace(b'"gqa"', b'"\\ud800"'),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("layout", ["write_lmms", "write_older"])
def test_a_damaged_file_beside_a_sound_one_is_named(
    request: pytest.FixtureRequest, tmp_path: Path, layout: str, damage: str
) -> None:
    write = request.getfixturevalue(layout)
    write({"pope": 0.8}, "runs/first")
    second = write({"gqa": 0.5}, "runs/second")
    file = second if second.is_file() else next(second.rglob("*results.json"))
    runs, given = tmp_path / "runs", Settings(None, "otprune", 0.098)
    assert len(import_results([runs], given)) == 2
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    for results in (runs, file):
        with pytest.raises(InputError, match=re.escape(str(file))):
            import_results([results], given)


@pytest.mark.parametrize("damage", ["cut off", "empty", "other encoding"])
@pytest.mark.parametrize("name", ["llava_POPE_score.csv", "llava_COCO_VAL_score.json"])
def test_a_damaged_file_of_vlmevalkit_is_named(tmp_path: Path, name: str, damage: str) -> None:
    file = tmp_path / "llava" / name
    file.parent.mkdir()
    file.write_text('{"CIDEr": 96.4}' if name.endswith("json") else 'split,Overall\n"Overall","79.59"\n')
    assert len(import_results([tmp_path], NAMED)) == 1
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(InputError, match=re.escape(name)):
        import_results([tmp_path], NAMED)


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_mark_of_the_encoding_changes_nothing(
    name: str, write_lmms: Write, write_older: Write, tmp_path: Path
) -> None:
    plain = tmp_path / "scores.csv"
    plain.write_text("benchmark,metric,value\npope,F1,79.5\n")
    file = {
        "lmms_eval": lambda: next(write_lmms({"pope": 0.795}).rglob("*.json")),
        "lmms_eval_older": lambda: write_older({"pope": 0.795}),
        "vlmevalkit": lambda: kit(tmp_path, "POPE_score", "split,Overall\nOverall,79.5\n"),
        "plain_csv": lambda: plain,
    }[name]()
    before = READERS[name].read(file, Choice())
    file.write_bytes(BOM + file.read_bytes())
    assert READERS[name].recognises(file)
    assert READERS[name].read(file, Choice()) == before
    assert [score.value for score in before] == [79.5]


@pytest.mark.parametrize(
    ("n", "part"), [(8, ", part of the questions (8 of 12578)"), (12578, ""), (12579, "")]
)
def test_fewer_questions_than_there_are_count_as_a_part(write_lmms: Write, n: int, part: str) -> None:
    rows = import_results([write_lmms({"gqa": 0.5}, n=n, of=12578)])
    assert rows.source.item().endswith(f"exact_match,none{part}")
    assert rows.n.item() == n


@pytest.mark.parametrize("column", ["split", "Split", "SUBSET", "subset", "category", "Category"])
def test_a_part_is_told_by_any_column_of_parts(tmp_path: Path, column: str) -> None:
    plain = tmp_path / "scores.csv"
    file = kit(tmp_path, "POPE_score", f"{column},Overall\nadversarial,84.2\n")
    with pytest.raises(InputError, match=r"1 row \(split adversarial\), and one of split Overall"):
        import_results([file], NAMED)
    plain.write_text(f"Benchmark,metric,VALUE,{column}\npope,F1,84.2,adversarial\n")
    with pytest.raises(InputError, match=rf"of the {column.lower()} adversarial and not of all of pope"):
        import_results([plain], Settings("m", "full"))
    kit(tmp_path, "POPE_score", f"{column},Overall\nadversarial,84.2\nOverall,86.1\n")
    plain.write_text(f"Benchmark,metric,VALUE,{column}\npope,F1,86.1,Overall\n")
    assert import_results([file], NAMED).value.tolist() == [86.1]
    assert import_results([plain], Settings("m", "full")).value.tolist() == [86.1]


def test_a_part_within_the_row_of_the_whole_split_is_a_part(tmp_path: Path) -> None:
    file = kit(tmp_path, "POPE_score", "split,category,Overall\nOverall,adversarial,84.2\n")
    with pytest.raises(InputError, match=r"split adversarial\), and one of split Overall"):
        import_results([file], NAMED)
    kit(tmp_path, "POPE_score", "split,category,Overall\nOverall,Overall,84.2\n")
    assert import_results([file], NAMED).value.tolist() == [84.2]


def test_columns_that_are_not_known_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "scores.csv"
    head = "benchmark,metric,value,method,comment,kind\n"
    file.write_text(f"{head}pope,F1,84.2,full,one,x\ngqa,EM,56.2,full,two,y\n")
    assert len(import_results([file], Settings("m"))) == 2
    assert "scores.csv that are not known are passed over: kind." in caplog.text
    file.write_text(f"{head}pope,F1,84.2,full,,x\npope,accuracy,56.2,full,,y\n")
    with pytest.raises(
        InputError, match="of one benchmark and method that differ in kind, and that is no col"
    ):
        import_results([file], Settings("m"), metrics={"pope": "accuracy"})
    file.write_text("benchmark,metric,value,Value\npope,F1,84.2,84.3\n")
    with pytest.raises(InputError, match="has several columns value, in letters of another case"):
        import_results([file], Settings("m", "full"))


# Scales.


@pytest.mark.parametrize(
    ("name", "content", "hundredfold"),
    [
        ("POPE_score", "split,Overall\nOverall,{}\n", (0.842, 84.2, 84.2)),
        ("POPE_score", "split,Overall\nOverall,{}\n", (1, 100, 100.0)),
        ("GQA_TestDev_Balanced_acc", "split,Overall\nOverall,{}\n", (0.56, 56, 56.0)),
        ("COCO_VAL_score", "CIDEr\n{}\n", (1.1, 110, 1.1)),
        ("COCO_VAL_score", "CIDEr\n{}\n", (10, 10.5, 0.105)),
    ],
)
def test_a_share_where_the_kit_prints_a_hundredfold_is_refused(
    tmp_path: Path, name: str, content: str, hundredfold: tuple[float, float, float]
) -> None:
    share, printed, stored = hundredfold
    file = kit(tmp_path, name, content.format(share))
    with pytest.raises(InputError, match=rf"is {share:g}, and .* a hundredfold, .* write {100 * share:g} if"):
        import_results([file], NAMED)
    kit(tmp_path, name, content.format(printed))
    assert import_results([file], NAMED).value.tolist() == [stored]
    kit(tmp_path, name, content.format(0))
    assert import_results([file], NAMED).value.tolist() == [0.0]


def test_a_share_where_lmms_eval_prints_per_cent_is_refused(write_lmms: Write, tmp_path: Path) -> None:
    plain = tmp_path / "scores.csv"
    plain.write_text("benchmark,metric,value\nmmbench_en_dev,Acc,0.6\n")
    for file, given in ((write_lmms({"mmbench_en_dev": 0.6}), None), (plain, Settings("m", "full"))):
        with pytest.raises(InputError, match=r"is 0\.6, and .* write 60 if"):
            import_results([file], given)
    assert import_results([write_lmms({"mmbench_en_dev": 60.0})]).value.tolist() == [60.0]


# Types and numbers.

WRONG: list[Any] = [5, "text", True, [], [{}], {"gqa": 5}, {"gqa": []}, {"gqa": "text"}]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize(
    "part",
    [
        "results",
        "group_subtasks",
        "groups",
        "config",
        "configs",
        "higher_is_better",
        "n-samples",
        "model_name",
    ],
)
@pytest.mark.parametrize("layout", ["write_lmms", "write_older"])
def test_parts_of_another_type_are_read_or_refused_by_our_error(
    request: pytest.FixtureRequest, layout: str, part: str, wrong: Any
) -> None:
    written = request.getfixturevalue(layout)({"gqa": 0.5})
    folder = written if written.is_dir() else written.parent
    edited(folder, lambda content: content.update({part: wrong}))
    outcome: object
    try:
        rows = import_results([folder], Settings(None, "otprune", 0.098))
        outcome = rows.value.tolist()
    except InputError as error:
        outcome = "results.json" in str(error) or "There is no score" in str(error) or str(error)
    assert outcome in (True, [50.0])


def test_group_subtasks_as_a_list_is_refused(write_lmms: Write) -> None:
    run = edited(write_lmms({"gqa": 0.5}), lambda content: content.update(group_subtasks=["gqa"]))
    with pytest.raises(InputError, match=r"has \['gqa'\] as group_subtasks, and an object is wanted"):
        import_results([run])


@pytest.mark.parametrize(
    "value", [float("inf"), float("-inf"), 10**400, [0.5], {"a": 1}, None, "0.5"], ids=repr
)
def test_scores_that_are_no_numbers_are_refused(write_lmms: Write, value: Any) -> None:
    run = edited(
        write_lmms({"gqa": 0.5}), lambda one: one["results"]["gqa"].update({"exact_match,none": value})
    )
    with pytest.raises(InputError, match="and a finite number is wanted: let"):
        import_results([run])


@pytest.mark.parametrize("error", [-0.1, float("inf"), 10**400, [], True, "small"], ids=repr)
def test_standard_errors_that_are_none_are_refused(write_lmms: Write, error: Any) -> None:
    key = "exact_match_stderr,none"
    run = edited(write_lmms({"gqa": 0.5}), lambda one: one["results"]["gqa"].update({key: error}))
    with pytest.raises(InputError, match=r"The standard error of exact_match,none of gqa in .* from 0 on"):
        import_results([run])
    for missing in (None, "N/A", float("nan")):
        edited(run, lambda one, said=missing: one["results"]["gqa"].update({key: said}))  # type: ignore[misc]
        assert import_results([run]).standard_error.isna().all()


@pytest.mark.parametrize("n", [0, -3, True, "100", [100], float("inf"), 10**400, 10**16], ids=repr)
def test_numbers_of_questions_that_are_none_are_refused(write_lmms: Write, n: Any) -> None:
    with pytest.raises(InputError, match="umber of questions"):
        import_results([write_lmms({"gqa": 0.5}, n=n)])


@pytest.mark.parametrize(
    "said", ["ratio=nan", "ratio=inf", "ratio=1e-999", "ratio=0_1", "seed=1.5", "seed=1e30", "gamma=1e999"]
)
def test_arguments_that_are_no_numbers_are_refused_and_the_file_is_named(
    write_lmms: Write, said: str
) -> None:
    arguments = f"pretrained=a,method=otprune,ratio=0.1,{said}"
    with pytest.raises(InputError, match=r"results\.json records model arguments that cannot be read"):
        import_results([write_lmms({"gqa": 0.5}, arguments=arguments)])


@pytest.mark.parametrize("column", ["value", "n", "standard_error", "ratio", "gamma", "seed"])
@pytest.mark.parametrize("cell", ["inf", "1e999", "9" * 400, "6_1", "61;9", "True"])
@pytest.mark.parametrize("ending", ["csv", "parquet", "plain"])
def test_cells_of_tables_that_are_no_finite_numbers_are_refused(
    tmp_path: Path, column: str, cell: str, ending: str
) -> None:
    row = {"model": "m", "benchmark": "b", "method": "otprune", "ratio": "0.1", "metric": "M", "value": "1"}
    file = tmp_path / f"scores.{'csv' if ending == 'plain' else ending}"
    table = pd.DataFrame([row | {column: cell}])
    if ending == "parquet":
        table.to_parquet(file)
    else:
        table.to_csv(file, index=False)
    with pytest.raises(InputError, match=rf"{column} (in|has|as)|as {column} in row 0|The {column}"):
        import_results([file]) if ending == "plain" else read_accuracy(file)


@pytest.mark.parametrize("value", [float("inf"), True, 10**15, -1.5])
def test_numbers_of_a_parquet_table_are_checked_as_those_of_a_csv(tmp_path: Path, value: Any) -> None:
    row = {"model": "m", "benchmark": "b", "method": "full", "ratio": 1.0, "metric": "M", "value": 1.0}
    pd.DataFrame([row | {"n": value}]).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(InputError, match=r"n (.* )?in row 0"):
        read_accuracy(tmp_path / "table.parquet")


@pytest.mark.parametrize("name", ["", "NaN", "a\0b", "a\nb", "\ud800", "None"])
@pytest.mark.parametrize("where", ["task", "metric", "model"])
def test_names_that_no_table_can_hold_are_refused(write_lmms: Write, name: str, where: str) -> None:
    def rename(content: dict[str, Any]) -> None:
        entry = content["results"].pop("gqa")
        key = "other,none"
        if where == "task":
            content["results"][name] = entry
        elif where == "metric":
            key = f"{name},none"
        content["results"].setdefault("gqa" if where != "task" else name, {})[key] = 0.5
        content["config"]["model_args"] = {"pretrained": name if where == "model" else "m"}
        content["config"]["model"] = "other"
        content["model_name"] = name if where == "model" else "m"

    run = edited(write_lmms({"gqa": 0.5}), rename)
    metrics = {name if where == "task" else "gqa": name if where == "metric" else "other"}
    with pytest.raises(
        InputError, match=r"tables read as empty|must not be empty|cannot be written|surrogates|not say"
    ):
        import_results([run], Settings(None, "otprune", 0.1), metrics=metrics)


# Filters.


def filtered(run: Path, **values: float) -> Path:
    scores = {f"exact_match,{name.replace('_', '-')}": value for name, value in values.items()}
    return edited(run, lambda content: content["results"].update(gqa=scores))


def test_a_filter_stays_in_the_name_and_the_scale_is_that_of_the_metric(write_lmms: Write) -> None:
    run = filtered(write_lmms({"gqa": 0.5}), strict_match=0.3, flexible=0.4)
    with pytest.raises(InputError, match="under several filters") as caught:
        import_results([run])
    advised = re.search(r"--metric gqa=(\S+)\.$", str(caught.value))
    assert advised is not None
    assert advised[1] == "exact_match,strict-match"
    rows = import_results([run], metrics={"gqa": advised[1]})
    assert rows[["metric", "value"]].to_numpy().tolist() == [["EM,strict-match", 30.0]]
    assert rows.source.str.endswith("exact_match,strict-match").all()


def test_runs_under_different_filters_have_different_names(write_lmms: Write, tmp_path: Path) -> None:
    for number, (name, value) in enumerate([("strict", 0.3), ("flexible", 0.4), ("none", 0.5)]):
        filtered(write_lmms({"gqa": 0.5}, f"runs/{number}"), **{name: value})
    rows = import_results([tmp_path / "runs"])
    assert rows.set_index("metric").value.to_dict() == {"EM,strict": 30.0, "EM,flexible": 40.0, "EM": 50.0}
    for name in ("table.csv", "table.parquet"):
        write_accuracy(rows, tmp_path / name)
    again = import_results([tmp_path / "table.csv"])
    pd.testing.assert_frame_equal(again, rows, check_dtype=False)


def test_a_filter_that_is_not_there_is_named_with_those_that_are(write_lmms: Write) -> None:
    run = write_lmms({"gqa": 0.5})
    with pytest.raises(
        InputError, match=r"has no exact_match,strict-match for gqa; it has: exact_match,none\. Name one"
    ):
        import_results([run], metrics={"gqa": "exact_match,strict-match"})
    plain = import_results([run])
    for key in ("exact_match,none", "exact_match"):
        pd.testing.assert_frame_equal(import_results([run], metrics={"gqa": key}), plain)


def test_a_stranger_with_the_name_of_the_tables_metric_is_refused(write_lmms: Write, tmp_path: Path) -> None:
    run = edited(write_lmms({"gqa": 0.5}), lambda content: content["results"].update(gqa={"EM,none": 0.5}))
    for path, task in ((run, "gqa"), (kit(tmp_path, "MME_score", "perception,P-score\n1,2\n"), "mme")):
        with pytest.raises(InputError, match=r"is the table's name for .* scale of what another program"):
            import_results([path], NAMED if task == "mme" else None, metrics={task: TASKS[task].metric})


def test_a_plain_csv_knows_filters(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(
        'benchmark,metric,value\ngqa,"exact_match,strict",0.3\ngqa,"EM,loose",40\n"gqa","EM,none",50\n'
    )
    rows = import_results([file], Settings("m", "full"))
    assert rows.set_index("metric").value.to_dict() == {"EM,strict": 30.0, "EM,loose": 40.0, "EM": 50.0}
    file.write_text('benchmark,metric,value\ngqa,"EM,loose",400\n')
    with pytest.raises(InputError, match="between 0 and 100"):
        import_results([file], Settings("m", "full"))


# Sources, and what other readers give.


def test_the_source_is_the_same_however_the_file_is_given(
    write_lmms: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = next(write_lmms({"gqa": 0.5}).rglob("*.json"))
    sources = {import_results([file]).source.item(), import_results([file.parent]).source.item()}
    monkeypatch.chdir(file.parent)
    sources |= {import_results([one]).source.item() for one in (file.name, ".", f"../{file.parent.name}")}
    assert sources == {f"lmms-eval, {file.parent.name}/{file.name}, exact_match,none"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": ""}, "The task in .* must not be empty"),
        ({"metric": "a\x00"}, "cannot be written"),
        ({"value": float("nan")}, "a finite number is wanted"),
        ({"value": "50"}, "a finite number is wanted"),
        ({"standard_error": -1.0}, "a number from 0 on"),
        ({"n": 0}, "at least one"),
        ({"n": 10**400}, "at most 15 digits"),
    ],
)
def test_what_a_reader_of_ones_own_gives_is_checked(change: dict[str, Any], message: str) -> None:
    sound = {"task": "gqa", "metric": "EM", "value": 50.0, "standard_error": 0.4, "n": 100}
    assert Score(**sound, settings=NAMED, source="mine").value == 50.0
    if change.get("value") == "50":
        change = {"value": [50.0]}
    with pytest.raises(InputError, match=message):
        Score(**(sound | change), settings=NAMED, source="mine")


def test_settings_take_numbers_of_numpy_and_nothing_else() -> None:
    table = pd.DataFrame({"ratio": [0.1], "seed": [3]})
    given = Settings("m", "random", table["ratio"].iloc[0], 1e-300, table["seed"].iloc[0])
    assert (given.ratio, given.gamma, given.seed) == (0.1, 1e-300, 3)
    assert {type(given.ratio), type(given.seed)} == {float, int}
    for wrong in (
        {"ratio": "0.1"},
        {"ratio": True},
        {"ratio": 10**400},
        {"gamma": float("inf")},
        {"gamma": []},
    ):
        with pytest.raises(InputError, match="must be a finite number"):
            Settings(**wrong)  # type: ignore[arg-type]
    for seed in (-1, 1.5, 10**15, float("nan"), "3"):
        with pytest.raises(InputError, match="seed must be"):
            Settings(seed=seed)  # type: ignore[arg-type]


def test_a_document_of_these_tests_is_read(write_lmms: Write) -> None:
    """The control of the tests above: what they damage is sound."""
    run = write_lmms({"gqa": 0.5})
    assert "results" in read_json(next(run.rglob("*.json")))
    assert import_results([run]).value.tolist() == [50.0]


def test_a_link_to_results_that_are_gone_is_not_passed_over(write_lmms: Write, tmp_path: Path) -> None:
    folder = write_lmms({"gqa": 0.5})
    assert len(import_results([folder])) == 1
    (folder / "org__llava" / "20260102_120000_results.json").symlink_to(tmp_path / "moved.json")
    with pytest.raises(InputError, match=r"20260102_120000_results\.json is a link to results that are not"):
        import_results([folder])
    whole = kit(tmp_path / "T20260101-120000", "POPE_score", "split,Overall\nOverall,79.5\n")
    (tmp_path / "T20260101-120000" / whole.name).symlink_to(tmp_path / "elsewhere")
    rows = import_results([tmp_path / "T20260101-120000"], NAMED)
    assert rows.value.tolist() == [79.5], (
        "of links of VLMEvalKit, which lead elsewhere in a copy, the file is"
    )


@pytest.mark.parametrize("said", [False, "False", 0])
def test_what_does_not_say_that_higher_is_better_is_refused(write_lmms: Write, said: Any) -> None:
    def lower(content: dict[str, Any]) -> None:
        content["higher_is_better"]["gqa"] = {"exact_match": said}

    with pytest.raises(InputError, match="lower is better for exact_match"):
        import_results([edited(write_lmms({"gqa": 0.5}), lower)])


def test_a_model_that_is_no_text_is_refused(write_lmms: Write) -> None:
    def several(content: dict[str, Any]) -> None:
        content["config"]["model"] = ["otanalysis_hf"]

    with pytest.raises(InputError, match="as model, and a text is wanted"):
        import_results([edited(write_lmms({"gqa": 0.5}), several)])
