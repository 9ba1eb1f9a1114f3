"""The tasks whose headline metric is known: its keys, its scale and its direction. The one place for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CIDER_TOP = 10.0
"""CIDEr-D is ten times a mean cosine."""

MME_PERCEPTION_TOP = 2000.0
"""Ten categories of at most 200 points."""


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
    higher_is_better: bool = True


def _share(name: str, metric: str, *keys: str) -> Task:
    """Return a task that lmms-eval scores from 0 to 1 and papers print in per cent."""
    return Task(name, metric, keys, top=1.0, factor=100.0)


_ALL = (
    Task("coco2017_cap_val", "CIDEr", ("coco_CIDEr",), CIDER_TOP, 1.0),
    Task("flickr30k_test", "CIDEr", ("flickr_CIDEr",), CIDER_TOP, 1.0),
    _share("gqa", "EM", "exact_match"),
    Task("mmbench_en_dev", "Acc", ("gpt_eval_score",), 100.0, 1.0),
    Task("mme", "P-score", ("mme_perception_score", "mme_percetion_score"), MME_PERCEPTION_TOP, 1.0),
    _share("mmmu_val", "Acc", "mmmu_acc"),
    Task("nocaps_val", "CIDEr", ("nocaps_CIDEr",), CIDER_TOP, 1.0),
    _share("ok_vqa_val2014", "EM", "exact_match"),
    _share("pope", "F1", "pope_f1_score"),
    _share("scienceqa_img", "EM", "exact_match"),
    _share("seedbench", "Acc", "seed_all"),
)

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
"""The 11 tasks by name."""


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
