"""Scores of other programs become rows on one scale, and what cannot be used is refused with a remedy."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.scores import (
    ACCURACY_COLUMNS,
    TASKS,
    Settings,
    import_results,
    read_accuracy,
    write_accuracy,
)

PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "accuracy.csv"
WriteLmms = Callable[..., Path]
OTPRUNE = Settings(method="otprune", ratio=0.098)
NAMED_REST = ("otprune", 0.098)
NAMED = Settings("llava", *NAMED_REST)


def test_the_eleven_tasks_are_those_of_the_published_table() -> None:
    published = read_accuracy(PUBLISHED)
    metrics = published.groupby("benchmark")["metric"].unique().map(list).to_dict()
    assert {name: [task.metric] for name, task in TASKS.items()} == metrics
    tops = published.groupby("benchmark")["value"].max()
    for name, task in TASKS.items():
        # On the stored scale a published score uses a fair part of the range and does not leave it.
        assert 0.05 * task.top * task.factor < tops[name] <= task.top * task.factor
    assert all(task.higher_is_better for task in TASKS.values())


def test_lmms_eval_scores_come_on_the_published_scale_with_what_the_file_records(
    write_lmms: WriteLmms, raw: dict[str, float]
) -> None:
    rows = import_results([write_lmms(raw)])
    assert list(rows.columns) == [*ACCURACY_COLUMNS, "source"]
    assert set(rows.model) == {"org/llava"}
    assert set(rows.method) == {"otprune"}
    assert (set(rows.ratio), set(rows.gamma), set(rows.seed), set(rows.n)) == ({0.098}, {0.01}, {0}, {100})
    values = rows.set_index("benchmark")["value"]
    per_cent = {"gqa", "mmmu_val", "ok_vqa_val2014", "pope", "scienceqa_img", "seedbench"}
    for task, value in raw.items():
        assert values[task] == pytest.approx(100 * value if task in per_cent else value, rel=1e-12)
    errors = rows.set_index("benchmark")["standard_error"]
    exact = {"gqa", "ok_vqa_val2014", "scienceqa_img"}
    assert set(errors.dropna().index) == exact
    assert set(errors.dropna()) == {0.44}
    assert rows.source.iloc[0] == "lmms-eval, org__llava/20260101_120000_results.json, coco_CIDEr,none"


def test_the_older_copy_is_read_with_its_spelling_and_without_counts(
    write_older: WriteLmms, raw: dict[str, float]
) -> None:
    rows = import_results([write_older(raw).parent.parent], OTPRUNE)
    assert len(rows) == 11
    assert set(rows.model) == {"liuhaotian/llava-v1.5-7b"}
    assert rows.n.isna().all()
    mme = rows[rows.benchmark == "mme"]
    assert mme.value.tolist() == [1368.25]
    assert "mme_percetion_score" in mme.source.item()


def test_both_layouts_of_lmms_eval_give_the_same_values(
    write_lmms: WriteLmms, write_older: WriteLmms, raw: dict[str, float]
) -> None:
    new = import_results([write_lmms(raw)]).set_index("benchmark")
    old = import_results([write_older(raw)], OTPRUNE).set_index("benchmark")
    columns = ["metric", "value", "standard_error"]
    pd.testing.assert_frame_equal(new[columns], old[columns])


@pytest.mark.parametrize("arguments", [{"pretrained": "org/llava", "method": "full", "device_map": "auto"}])
def test_arguments_may_be_a_mapping_and_full_needs_no_ratio(
    write_lmms: WriteLmms, arguments: dict[str, str]
) -> None:
    rows = import_results([write_lmms({"gqa": 0.62}, arguments=arguments)])
    assert rows[["method", "ratio"]].to_dict("records") == [{"method": "full", "ratio": 1.0}]
    assert rows.gamma.isna().all()


def test_what_the_arguments_leave_out_has_the_plug_ins_defaults(write_lmms: WriteLmms) -> None:
    """A run with gamma=0.01 and one that leaves it out are the same; positions of another kind are not."""
    given = "pretrained=org/llava,method=otprune,ratio=0.098"
    columns = ["method", "ratio", "gamma", "seed"]

    def settings(arguments: str) -> list[object]:
        rows = import_results([write_lmms({"gqa": 0.5}, arguments=arguments)])
        return list(rows[columns].iloc[0])

    assert settings(given) == settings(f"{given},gamma=0.01,seed=0") == ["otprune", 0.098, 0.01, 0]
    assert settings(f"{given},gamma=1,seed=2,newlines=keep") == ["otprune", 0.098, 1.0, 2]
    assert settings(f"{given},positions=original,normalise=rows")[0] == (
        "otprune normalise=rows positions=original"
    )


@pytest.mark.parametrize(
    ("said", "method", "gamma"),
    [
        ("otprune,gamma=1", "otprune", 1.0),
        ("otprune,gamma=1,gamma_of=released", "otprune", 1.0),
        ("otprune,gamma=1,gamma_of=paper", "otprune-paper", 1.0),
        ("otprune,gamma_of=paper", "otprune-paper", 0.01),
        ("otprune-paper,gamma=1", "otprune-paper", 1.0),
        ("otprune-paper,gamma_of=released", "otprune-paper", 0.01),
        ("divprune,gamma=1,gamma_of=paper", "divprune", None),
        ("divprune", "divprune", None),
    ],
)
def test_only_some_methods_have_a_gamma_and_the_name_says_whose(
    write_lmms: WriteLmms, said: str, method: str, gamma: float | None
) -> None:
    """A divprune run with gamma=1 is the same as one without, and the figures look for one without."""
    run = write_lmms({"gqa": 0.5}, arguments=f"pretrained=org/llava,ratio=0.1,method={said}")
    row = import_results([run]).iloc[0]
    assert row.method == method
    assert row.gamma == gamma if gamma is not None else pd.isna(row.gamma)


def test_a_gamma_of_nobody_cannot_be_read(write_lmms: WriteLmms) -> None:
    run = write_lmms({"gqa": 0.5}, arguments="pretrained=org/llava,ratio=0.1,method=otprune,gamma_of=mine")
    with pytest.raises(InputError, match=r"cannot be read \(gamma_of must be one of released, paper"):
        import_results([run])


def test_another_model_of_lmms_eval_records_nothing_about_pruning(write_lmms: WriteLmms) -> None:
    run = write_lmms({"gqa": 0.62}, model="llava_hf", arguments="pretrained=org/llava,method=otprune,ratio=1")
    rows = import_results([run], Settings(model="llava", method="full"))
    assert rows[["model", "method", "ratio"]].to_numpy().tolist() == [["llava", "full", 1.0]]
    with pytest.raises(InputError, match="give --method"):
        import_results([run])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Settings(method="divprune"), "records method otprune, and --method says divprune: leave"),
        (Settings(ratio=0.1), r"records ratio 0\.098, and --ratio says 0\.1"),
        (Settings(gamma=1.0), r"records gamma 0\.01, and --gamma says 1"),
        (Settings(seed=1), "records seed 0, and --seed says 1"),
        (Settings(model="other"), "records model org/llava, and --model says other"),
    ],
)
def test_options_may_not_contradict_what_a_file_records(
    write_lmms: WriteLmms, given: Settings, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        import_results([write_lmms({"gqa": 0.5})], given)


def test_options_may_confirm_what_a_file_records(write_lmms: WriteLmms) -> None:
    run = write_lmms({"gqa": 0.5})
    rows = import_results([run], Settings("llava", "otprune", 0.098, 0.01, 0))
    assert rows.model.tolist() == ["llava"], "the last part of a path is the short name of the same model"
    rows = import_results([run], Settings(model="org/llava"))
    assert rows.model.tolist() == ["org/llava"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Settings("llava", None, 0.098), r"which method .* give --method"),
        (Settings("llava", "otprune"), r"share of the tokens otprune kept: give --ratio"),
        (Settings(None, "otprune", 0.098), r"which model .* give --model"),
    ],
)
def test_missing_settings_are_asked_for(tmp_path: Path, given: Settings, message: str) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("benchmark,metric,value\ngqa,EM,56.6\n")
    with pytest.raises(InputError, match=message):
        import_results([file], given)


@pytest.mark.parametrize("layout", ["lmms", "older", "csv"])
@pytest.mark.parametrize("task", ["gqa", "coco2017_cap_val", "mmbench_en_dev"])
def test_a_failed_metric_is_refused_whatever_the_scale(
    layout: str, task: str, write_lmms: WriteLmms, write_older: WriteLmms, tmp_path: Path
) -> None:
    csv_file = tmp_path / "scores.csv"
    key = TASKS[task].keys[0]
    csv_file.write_text(f"benchmark,metric,value\n{task},{key},-1000\n")
    writers = {"lmms": write_lmms, "older": write_older, "csv": lambda _: csv_file}
    with pytest.raises(InputError, match="marks a metric that failed: evaluate the task again"):
        import_results(
            [writers[layout]({task: -1000.0})], Settings(None if layout != "csv" else "m", *NAMED_REST)
        )


@pytest.mark.parametrize("value", ["N/A", None, float("nan"), [], True, "0.5"])
def test_what_is_no_number_is_refused(write_lmms: WriteLmms, value: Any) -> None:
    with pytest.raises(InputError, match="a finite number is wanted: let the evaluation finish"):
        import_results([write_lmms({"gqa": value})])


@pytest.mark.parametrize(
    ("task", "value"), [("gqa", 56.6), ("pope", -0.1), ("mme", 2001.0), ("mmmu_val", 1.01)]
)
def test_values_off_the_scale_are_refused(write_lmms: WriteLmms, task: str, value: float) -> None:
    with pytest.raises(InputError, match="this metric lies between 0 and"):
        import_results([write_lmms({task: value})])


def edited(run: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    file = next(run.rglob("*_results.json"))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return run


def test_tasks_without_a_headline_metric_list_what_was_found(write_lmms: WriteLmms) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["results"]["textvqa_val"] = {"alias": "t", "exact_match,none": 0.4, "other,strict": 0.3}
        content["results"]["gqa"] = {"alias": "gqa", "accuracy,none": 0.5}

    run = edited(write_lmms({"gqa": 0.5, "pope": 0.8}), rename)
    with pytest.raises(
        InputError, match=r"no exact_match for gqa; it has: accuracy,none\. .*--metric gqa=KEY"
    ):
        import_results([run])
    with pytest.raises(InputError, match=r"textvqa_val, whose headline .*: exact_match,none, other,strict"):
        import_results([run], tasks=["textvqa_val"])
    chosen = {"textvqa_val": "other", "gqa": "accuracy"}
    rows = import_results([run], metrics=chosen).set_index("benchmark")
    assert rows.value.to_dict() == {"gqa": 0.5, "pope": 80.0, "textvqa_val": 0.3}
    assert rows.metric.to_dict() == {"gqa": "accuracy", "pope": "F1", "textvqa_val": "other,strict"}
    assert import_results([run], tasks=["pope"]).benchmark.tolist() == ["pope"]
    with pytest.raises(InputError, match=r"no score of mme in .*; there are pope"):
        import_results([run], tasks=["pope", "mme"])
    with pytest.raises(InputError, match="no score of mme in"):
        import_results([run], tasks=["mme"])


def test_groups_are_headings_and_filters_must_be_clear(write_lmms: WriteLmms) -> None:
    def group(content: dict[str, Any]) -> None:
        content["results"]["ok_vqa"] = {"alias": "ok_vqa", " ": ""}
        content["results"]["vqa_tasks"] = {"alias": "v", "exact_match,none": 0.3}
        content["group_subtasks"]["vqa_tasks"] = ["gqa"]

    assert import_results([edited(write_lmms({"gqa": 0.5}), group)]).benchmark.tolist() == ["gqa"]

    def filters(content: dict[str, Any]) -> None:
        content["results"]["gqa"] = {"exact_match,strict": 0.3, "exact_match,loose": 0.4}

    run = edited(write_lmms({"gqa": 0.5}), filters)
    with pytest.raises(InputError, match="several filters: exact_match,strict, exact_match,loose"):
        import_results([run])


def test_a_metric_for_which_lower_is_better_is_refused(write_lmms: WriteLmms) -> None:
    def lower(content: dict[str, Any]) -> None:
        content["higher_is_better"]["gqa"] = {"exact_match": False}

    with pytest.raises(InputError, match="lower is better for exact_match of gqa"):
        import_results([edited(write_lmms({"gqa": 0.5}), lower)])


@pytest.mark.parametrize(("n", "expected"), [(8, 8), (8.0, 8), (0.1, None), (None, None)])
def test_the_number_of_questions_is_the_effective_one(
    write_lmms: WriteLmms, n: Any, expected: int | None
) -> None:
    found = import_results([write_lmms({"gqa": 0.5}, n=n)]).n.item()
    assert (None if pd.isna(found) else found) == expected


def test_model_arguments_that_are_no_numbers_are_named(write_lmms: WriteLmms) -> None:
    run = write_lmms({"gqa": 0.5}, arguments="pretrained=a,method=otprune,ratio=some")
    with pytest.raises(InputError, match="model arguments that cannot be read"):
        import_results([run])


def write_kit(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    """Write a CSV as VLMEvalKit does, into the folder of a run, and link it from the model's folder."""
    file = folder / "llava_v1.5_7b" / "T20260101-120000" / f"llava_v1.5_7b_{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(file, index=False, quoting=csv.QUOTE_ALL)
    (file.parents[1] / file.name).symlink_to(file.relative_to(file.parents[1]))
    return file


def test_vlmevalkit_scores_come_on_the_same_scale(tmp_path: Path) -> None:
    work = tmp_path / "outputs"
    write_kit(work, "MMBench_DEV_EN_acc", [{"split": "dev", "Overall": 0.604, "AR": 0.7, "CP": 0.5}])
    write_kit(work, "MME_score", [{"perception": 1368.2, "reasoning": 300.1, "OCR": 120.0}])
    splits = [("random", 81.0), ("Overall", 79.59), ("popular", 78.2)]
    pope = [{"split": s, "Overall": f1, "acc": 80.0, "precision": 90.0, "recall": 70.0} for s, f1 in splits]
    write_kit(work, "POPE_score", pope)
    mmmu = [{"split": s, "Overall": v, "Accounting": 0.3} for s, v in (("dev", 0.2), ("validation", 0.35667))]
    write_kit(work, "MMMU_DEV_VAL_acc", mmmu)
    write_kit(work, "ScienceQA_TEST_acc", [{"split": "test", "Overall": 0.684}])
    write_kit(work, "SEEDBench_IMG_acc", [{"split": "none", "Overall": 0.5947}])
    write_kit(work, "GQA_TestDev_Balanced_acc", [{"Overall": 56.62}])
    captions = work / "llava_v1.5_7b" / "T20260101-120000" / "llava_v1.5_7b_COCO_VAL_score.json"
    captions.write_text(json.dumps({"Bleu": [60.1, 40.0, 30.0, 20.0], "ROUGE_L": 50.0, "CIDEr": 96.4}))
    (captions.parent / "status.json").write_text("{}")
    rows = import_results([work], OTPRUNE).set_index("benchmark")
    assert rows.value.to_dict() == {
        "mmbench_en_dev": 60.4,
        "mme": 1368.2,
        "pope": 79.59,
        "mmmu_val": 35.667,
        "scienceqa_img": 68.4,
        "seedbench": 59.47,
        "gqa": 56.62,
        "coco2017_cap_val": 0.964,
    }
    assert {name: TASKS[name].metric for name in rows.index} == rows.metric.to_dict()
    assert set(rows.model) == {"llava_v1.5_7b"}
    assert import_results([work], OTPRUNE, tasks=["pope"]).benchmark.tolist() == ["pope"]


def test_vlmevalkit_files_alone_and_their_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "my_model_POPE_score.csv"
    pd.DataFrame([{"split": "random", "Overall": 80.0}, {"split": "adversarial", "Overall": 79.0}]).to_csv(
        file
    )
    with pytest.raises(
        InputError, match=r"2 rows \(split random, adversarial\), and one of split Overall is"
    ):
        import_results([file], OTPRUNE)
    pd.DataFrame([{"split": "Overall", "Overall": 79.0}]).to_csv(file)
    assert import_results([file], OTPRUNE)[["model", "value"]].to_numpy().tolist() == [["my_model", 79.0]]
    pd.DataFrame([{"split": "Overall", "acc": 79.0}]).to_csv(file, index=False)
    with pytest.raises(
        InputError, match=r"has no column Overall for POPE; it has: acc\. .*--metric pope=COLUMN"
    ):
        import_results([file], OTPRUNE)
    assert import_results([file], OTPRUNE, metrics={"pope": "acc"}).metric.tolist() == ["acc"]
    other = tmp_path / "my_model_MathVista_score.csv"
    pd.DataFrame([{"Task": "Overall", "acc": 30.0}]).to_csv(other, index=False)
    with pytest.raises(InputError, match="whose headline metric is not known; it has: acc"):
        import_results([other], OTPRUNE)
    broken = tmp_path / "my_model_COCO_VAL_score.json"
    broken.write_text("{")
    with pytest.raises(InputError, match=r"COCO_VAL_score\.json cannot be read as JSON"):
        import_results([broken], OTPRUNE)
    pd.DataFrame([{"perception": "failed"}]).to_csv(tmp_path / "m_MME_score.csv", index=False)
    with pytest.raises(InputError, match="'failed', and a finite number"):
        import_results([tmp_path / "m_MME_score.csv"], OTPRUNE)


def test_a_plain_csv_says_what_it_says_and_options_say_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(
        "model,benchmark,method,ratio,metric,value,n,standard_error,source\n"
        "llava,gqa,otprune,0.098,exact_match,0.5662,12578,0.0044,\n"
        "llava,pope,otprune,0.098,F1,79.59,,,Table 1\n"
        "llava,gqa,PruMerge,variable,EM,51.3,,,\n"
        "llava,presence,full,,accuracy,0.9,400,0.01,\n"
    )
    rows = import_results([file])
    assert rows.value.tolist() == [56.62, 79.59, 51.3, 0.9]
    assert rows.metric.tolist() == ["EM", "F1", "EM", "accuracy"]
    assert rows.ratio.isna().tolist() == [False, False, True, False]
    assert rows.standard_error.tolist()[::3] == [0.44, 0.01]
    assert rows.source.iloc[1] == "Table 1"
    with pytest.raises(InputError, match="records method otprune, and --method says random"):
        import_results([file], Settings(method="random"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("m,gqa,otprune,,EM,50,,", "give --ratio"),
        ("m,gqa,,0.1,EM,50,,", "give --method"),
        ("m,gqa,otprune,2,EM,50,,", r"In line 2 of .*must lie in \(0, 1\]"),
        ("m,gqa,full,0.5,EM,50,,", "its ratio is 1"),
        ("m,gqa,otprune,some,EM,50,,", "The ratio in line 2 .* is 'some'"),
        ("m,gqa,otprune,0.1,EM,high,,", "'high', and a finite number"),
        ("m,gqa,otprune,0.1,EM,0.5,,", "EM of gqa is in per cent: write it so, or name the metric exact_m"),
        ("m,gqa,otprune,0.1,EM,,,", "The value in line 2 .* is empty"),
        ("m,gqa,otprune,0.1,EM,101,,", "between 0 and 100"),
        ("m,gqa,otprune,0.1,accuracy,50,,", "no exact_match for gqa; it has: accuracy"),
        ("m,gqa,otprune,0.1,,50,,", "The metric in line 2"),
        ("m,,otprune,0.1,EM,50,,", "The benchmark in line 2"),
        ("m,gqa,random,0.1,EM,50,0.5,", "The seed in line 2 .* whole number"),
        ("m,gqa,random,0.1,EM,50,-1,", "seed must be a whole number from 0 on"),
        ("m,gqa,otprune,0.1,EM,50,,0", "gamma must be positive"),
    ],
)
def test_cells_that_cannot_be_used_are_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(f"model,benchmark,method,ratio,metric,value,seed,gamma\n{line}\n")
    with pytest.raises(InputError, match=message):
        import_results([file])


def test_files_of_no_known_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not exist"):
        import_results([tmp_path / "absent"], NAMED)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="are no file that stays, but a pipe or a device: give a file"):
        import_results([tmp_path / "pipe"], NAMED)
    with pytest.raises(InputError, match="holds no results that can be read: wanted are lmms-eval"):
        import_results([tmp_path], NAMED)
    for name, content in (("a.csv", "x,y\n1,2\n"), ("b.json", "{}"), ("d.txt", "gqa 56")):
        file = tmp_path / name
        file.write_text(content)
        with pytest.raises(
            InputError, match=r"of no known format( \(its columns: x, y\))?: wanted are lmms-eval"
        ):
            import_results([file], NAMED)
    with pytest.raises(InputError, match="no score in no files"):
        import_results([], NAMED)
    half = tmp_path / "half.csv"
    half.write_text("benchmark,value\ngqa,1\n")
    with pytest.raises(InputError, match="lacks the column metric"):
        import_results([half], NAMED)


def test_a_searched_folder_ignores_what_lies_beside_the_results(
    write_lmms: WriteLmms,
) -> None:
    run = write_lmms({"gqa": 0.5})
    (run / "submissions").mkdir()
    (run / "submissions" / "mmbench_en_dev_results.json").write_text('{"overall_acc": 0.6}')
    (run / "notes.csv").write_text("benchmark,value\n")
    (run / "org__llava" / "20260101_120000_samples_gqa.jsonl").write_text("{}\n")
    assert len(import_results([run])) == 1
    assert len(import_results([run, run])) == 1


def test_two_runs_that_disagree_are_refused_and_equal_ones_are_one(
    write_lmms: WriteLmms, tmp_path: Path
) -> None:
    write_lmms({"gqa": 0.5662}, "runs/first")
    write_lmms({"gqa": 0.5662}, "runs/second")
    assert len(import_results([tmp_path / "runs"])) == 1
    write_lmms({"gqa": 0.5663}, "runs/third")
    with pytest.raises(
        InputError, match=r"The value of otprune at ratio 0\.098 on gqa .* 56\.63 in .* 56\.62 in"
    ):
        import_results([tmp_path / "runs"])


def test_what_is_imported_is_a_table_that_is_read_again_as_it_was(
    write_lmms: WriteLmms, raw: dict[str, float], tmp_path: Path
) -> None:
    rows = import_results([write_lmms(raw)])
    for name in ("table.csv", "table.parquet"):
        write_accuracy(rows, tmp_path / name)
        pd.testing.assert_frame_equal(read_accuracy(tmp_path / name), rows, check_dtype=False)
        again = import_results([tmp_path / "table.csv"])
        pd.testing.assert_frame_equal(again, rows, check_dtype=False)
