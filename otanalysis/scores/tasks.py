"""The tasks whose headline metric is known: its keys, its scale and its direction. The one place for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from otanalysis.errors import InputError

CIDER_TOP = 10.0
"""CIDEr-D is ten times a mean cosine."""

HUNDREDFOLD_TOPS = (100.0, 100 * CIDER_TOP)
"""Largest values of the scales on which a metric is printed a hundredfold: in per cent, or CIDEr-D so."""

MME_PERCEPTION_TOP = 2000.0
"""Ten categories of at most 200 points."""

NO_FILTER = "none"
"""What lmms-eval calls the filter of a metric that is taken from the answers as they are."""


NO_SPLIT = "none"
"""What VLMEvalKit calls the split of data that have none."""

TOTAL = "Overall"
"""What VLMEvalKit calls the row of all splits together."""


PART_COLUMNS = ("split", "subset", "category")
"""Columns of a CSV, in letters of any case, that say of which part of a benchmark a row is."""


@dataclass(frozen=True)
class Task:
    """Headline metric of one task of lmms-eval.

    Attributes
    ----------
    name : str
        lmms-eval's name of the task, which is the benchmark's name in dumps and tables.
    metric : str
        Name of the metric in the accuracy table, as in ``data/published/accuracy.csv``.
    keys : tuple of str
        What lmms-eval calls it, today's spelling first.
    top : float
        Largest value on lmms-eval's scale, which starts at 0.
    factor : float
        From lmms-eval's scale to the one of the table.
    splits : tuple of str
        What the split of the data is called that the task is scored on.
    higher_is_better : bool
        True for all of them; a results file that says otherwise is refused.

    Examples
    --------
    >>> TASKS["pope"].metric, TASKS["pope"].factor
    ('F1', 100.0)
    """

    name: str
    metric: str
    keys: tuple[str, ...]
    top: float
    factor: float
    splits: tuple[str, ...]
    higher_is_better: bool = True


def _share(name: str, metric: str, key: str, *splits: str) -> Task:
    """Return a task that lmms-eval scores from 0 to 1 and papers print in per cent."""
    return Task(name, metric, (key,), top=1.0, factor=100.0, splits=splits)


_ALL = (
    Task("coco2017_cap_val", "CIDEr", ("coco_CIDEr",), CIDER_TOP, 1.0, ("val",)),
    Task("flickr30k_test", "CIDEr", ("flickr_CIDEr",), CIDER_TOP, 1.0, ("test",)),
    _share("gqa", "EM", "exact_match", "testdev", "testdev_balanced"),
    Task("mmbench_en_dev", "Acc", ("gpt_eval_score",), 100.0, 1.0, ("dev",)),
    Task(
        "mme", "P-score", ("mme_perception_score", "mme_percetion_score"), MME_PERCEPTION_TOP, 1.0, ("test",)
    ),
    _share("mmmu_val", "Acc", "mmmu_acc", "validation", "val"),
    Task("nocaps_val", "CIDEr", ("nocaps_CIDEr",), CIDER_TOP, 1.0, ("validation", "val")),
    _share("ok_vqa_val2014", "EM", "exact_match", "val2014"),
    _share("pope", "F1", "pope_f1_score", "test"),
    _share("scienceqa_img", "EM", "exact_match", "test"),
    _share("seedbench", "Acc", "seed_all", "test"),
)

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
"""The 11 tasks by name."""


def is_whole(task: str, split: str | None) -> bool:
    """Say whether a score of a split is that of the task.

    It is where no split is named, the split says that it is all, or it is the one that the task is scored
    on; of a task that is not in :data:`TASKS`, where the task is named after the split.

    Examples
    --------
    >>> [is_whole("mmmu_val", split) for split in (None, "none", "validation", "dev")]
    [True, True, True, False]
    >>> is_whole("textvqa_val", "val"), is_whole("textvqa_val", "test")
    (True, False)
    """
    said = (split or NO_SPLIT).strip()
    if said.lower() in (NO_SPLIT, "all", TOTAL.lower()):
        return True
    return said in (TASKS[task].splits if task in TASKS else task.split("_"))


@dataclass(frozen=True)
class Measure:
    """How the values under one key of a results file are stored.

    Attributes
    ----------
    metric : str
        Name in the table.
    top : float or None
        Largest value on the file's scale, which starts at 0; None if it is not known.
    factor : float
        From the file's scale to the one of the table.
    """

    metric: str
    top: float | None = None
    factor: float = 1.0


def measure(task: str, key: str) -> Measure:
    """Return how the values of a task under a key are stored.

    Parameters
    ----------
    task : str
        As lmms-eval calls it.
    key : str
        ``<metric>`` or ``<metric>,<filter>``. The headline metric of one of :data:`TASKS` comes to the
        table's name and scale; any other is stored as it is, under its own name. A filter other than
        ``none`` stays in the name: another filter is another measurement.

    Raises
    ------
    InputError
        If another metric has the name that the table gives the headline one.

    Examples
    --------
    >>> measure("gqa", "exact_match,none"), measure("gqa", "exact_match,strict").metric
    (Measure(metric='EM', top=1.0, factor=100.0), 'EM,strict')
    >>> measure("gqa", "accuracy,none")
    Measure(metric='accuracy', top=None, factor=1.0)
    """
    name, _, said = key.partition(",")
    suffix = "" if said in ("", NO_FILTER) else f",{said}"
    known = TASKS.get(task)
    if known is None:
        return Measure(name + suffix)
    if name in known.keys:
        return Measure(known.metric + suffix, known.top, known.factor)
    _check_stranger(task, name)
    return Measure(name + suffix)


def _check_stranger(task: str, name: str) -> None:
    """Refuse a metric of unknown scale that would be taken for the one of the table."""
    if name == TASKS[task].metric:
        raise InputError(
            f"{name} of {task} is the table's name for {' or '.join(TASKS[task].keys)}, and the scale of "
            "what another program calls so is not known: write it into a plain CSV, on the table's scale."
        )


@dataclass(frozen=True)
class KitDataset:
    """Where VLMEvalKit writes the headline metric of a dataset, and on which scale.

    Attributes
    ----------
    name : str
        VLMEvalKit's name of the dataset.
    task : str
        The task of :data:`TASKS` that it is.
    column : str
        Column (or JSON key) of the score.
    split : str
        Value of the column ``split`` in the row of the score, where there are several rows.
    top, factor : float
        As in :class:`Task`, of VLMEvalKit's scale.
    """

    name: str
    task: str
    column: str
    split: str
    top: float
    factor: float


_KIT = (
    # The kit prints what its scorer of captions gives a hundredfold: a CIDEr of 1.1 is 110 there.
    KitDataset("COCO_VAL", "coco2017_cap_val", "CIDEr", "", 100 * CIDER_TOP, 0.01),
    KitDataset("GQA_TestDev_Balanced", "gqa", "Overall", "Overall", 100.0, 1.0),
    KitDataset("MMBench_DEV_EN", "mmbench_en_dev", "Overall", "dev", 1.0, 100.0),
    KitDataset("MME", "mme", "perception", "", MME_PERCEPTION_TOP, 1.0),
    KitDataset("MMMU_DEV_VAL", "mmmu_val", "Overall", "validation", 1.0, 100.0),
    KitDataset("POPE", "pope", "Overall", "Overall", 100.0, 1.0),
    KitDataset("ScienceQA_TEST", "scienceqa_img", "Overall", "test", 1.0, 100.0),
    KitDataset("SEEDBench_IMG", "seedbench", "Overall", "test", 1.0, 100.0),
)

KIT_DATASETS: Mapping[str, KitDataset] = MappingProxyType({dataset.name: dataset for dataset in _KIT})
"""VLMEvalKit's datasets that are one of the tasks; ``SEEDBench_IMG`` has the image questions alone."""


def kit_measure(dataset: KitDataset, column: str, split: str) -> Measure:
    """Return how the values in a column of a dataset of VLMEvalKit's are stored; as :func:`measure`.

    ``split`` is the part of the dataset that the user asked for; empty for the whole.
    """
    suffix = f",{split}" if split and split != dataset.split else ""
    if dataset.task not in TASKS:
        return Measure(column + suffix)
    if column == dataset.column:
        return Measure(TASKS[dataset.task].metric + suffix, dataset.top, dataset.factor)
    _check_stranger(dataset.task, column)
    return Measure(column + suffix)
