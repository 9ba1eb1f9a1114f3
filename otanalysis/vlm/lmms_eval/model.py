"""The model ``otanalysis_hf`` of lmms-eval: any supported image-text model, run on kept visual tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from accelerate import Accelerator
from lmms_eval import utils
from lmms_eval.api.instance import GenerationResult, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.models.model_utils.gen_metrics import log_metrics
from loguru import logger

from otanalysis.errors import InputError
from otanalysis.vlm.lmms_eval.arguments import HarnessArguments
from otanalysis.vlm.lmms_eval.plugin import MODEL_ID
from otanalysis.vlm.lmms_eval.responder import Decoding, Request, Responder
from otanalysis.vlm.model import load_model
from otanalysis.vlm.pruned import Pruned

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class PrunedImageTextModel(lmms):  # type: ignore[misc]
    """A Hugging Face image-text model whose language model sees only the kept visual tokens.

    Parameters
    ----------
    **arguments
        Those of :class:`~otanalysis.vlm.lmms_eval.arguments.HarnessArguments`: ``--model_args`` of lmms-eval,
        with ``--batch_size`` and ``--device``.

    Raises
    ------
    InputError
        An argument is unknown, missing or out of range, or the model cannot be loaded or pruned.
    """

    is_simple = True

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        settings = HarnessArguments.parse(arguments)
        self.accelerator = Accelerator()
        device = settings.device
        if device is None or self.accelerator.num_processes > 1:
            # With several processes, the one that is this process's own.
            device = str(self.accelerator.device)
        vlm = load_model(settings.pretrained, revision=settings.revision, dtype=settings.dtype, device=device)
        self._responder: Responder | None = Responder(
            vlm,
            Pruned(vlm.model, **settings.pruning()),
            batch_size=settings.batch_size,
            max_new_tokens=settings.max_new_tokens,
        )
        self._device: torch.device = vlm.model.device

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: Mapping[str, Any] | None = None
    ) -> Self:
        """Build the model from ``--model_args``; these win over ``--batch_size`` and ``--device``."""
        own = {name: value for name, value in (additional_config or {}).items() if value is not None}
        return cls(**{**own, **utils.simple_parse_args_string(arg_string)})

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self._device

    def generate_until(self, requests: Sequence[Any]) -> list[GenerationResult]:
        """Answer requests in their order, and log how many tokens were kept."""
        if self._responder is None:
            raise InputError("The model was cleaned away; build it again.")
        self._say_what_is_ignored(requests)
        before = (self._responder.pruned.images, self._responder.pruned.tokens, self._responder.pruned.kept)
        seconds = self._responder.seconds
        answers = self._responder.answer([self._request(one) for one in requests], progress=self.rank == 0)
        self._log(before, self._responder.seconds - seconds, sum(one.output_tokens for one in answers))
        return [
            GenerationResult(
                one.text, TokenCounts(input_tokens=one.input_tokens, output_tokens=one.output_tokens)
            )
            for one in answers
        ]

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refuse: pruned models answer in words here."""
        raise _unsupported(requests, "scores given answers (loglikelihood)")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuse: pruned models answer in one round here."""
        raise _unsupported(requests, "asks in several rounds (generate_until_multi_round)")

    def clean(self) -> None:
        """Let go of the model, so that a judge finds room on the device."""
        self._responder = None
        super().clean()

    def _request(self, instance: Any) -> Request:
        context, settings, doc_to_visual, doc_id, task, split = instance.args
        load = partial(_pictures, self.task_dict, doc_to_visual, doc_id, task, split)
        return Request(context, load, settings)

    def _say_what_is_ignored(self, requests: Sequence[Any]) -> None:
        found = {(one.args[4], Decoding.of_task(one.args[1], max_new_tokens=1).ignored) for one in requests}
        for task, names in sorted(found):
            if names:
                logger.info(f"{MODEL_ID}: settings of {task} that generate does not know: {', '.join(names)}")

    def _log(self, before: tuple[int, int, int], seconds: float, written: int) -> None:
        """Put what was kept into the results file, under ``throughput``."""
        if self._responder is None:
            return
        pruned = self._responder.pruned
        images, tokens, kept = pruned.images - before[0], pruned.tokens - before[1], pruned.kept - before[2]
        shares = (
            {"visual_tokens_per_image": tokens / images, "kept_tokens_per_image": kept / images}
            if images
            else {}
        )
        log_metrics(
            total_elapsed_time=seconds,
            total_gen_tokens=written,
            avg_speed=written / seconds if seconds else 0.0,
            additional_metrics={"images": images, **shares},
        )


def _pictures(documents: Any, doc_to_visual: Any, doc_id: int, task: str, split: str) -> list[Image]:
    """Return the pictures of a document; none for words alone."""
    from PIL.Image import Image

    visuals = doc_to_visual(documents[task][split][doc_id]) or []
    for visual in visuals:
        if not isinstance(visual, Image):
            raise InputError(
                f"{MODEL_ID} takes images, but document {doc_id} of the task {task} has a "
                f"{type(visual).__name__} (a video or sound?); leave that task out."
            )
    return list(visuals)


def _unsupported(requests: Sequence[Any], what: str) -> InputError:
    tasks = ", ".join(sorted({str(one.task_name) for one in requests}))
    return InputError(
        f"{MODEL_ID} answers in words (generate_until), but {tasks} {what}; take the variant of the task "
        "that generates."
    )
