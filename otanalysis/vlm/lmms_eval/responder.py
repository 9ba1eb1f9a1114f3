"""Answer the requests of a task from kept tokens, in batches, as its generation settings say.

Of these settings :class:`Decoding` takes what ``generate`` knows; what an answer took is told with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.progress import progress_bar
from otanalysis.vlm.answer import build_prompt
from otanalysis.vlm.model import VisionLanguageModel
from otanalysis.vlm.pruned import Pruned

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_SAMPLING = ("temperature", "top_p", "top_k")
_PASSED = (
    "num_beams",
    "length_penalty",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "min_new_tokens",
    "max_new_tokens",
)


@dataclass(frozen=True)
class Decoding:
    """A task's generation settings.

    Attributes
    ----------
    stops : tuple of str
        Strings at the first of which an answer ends.
    arguments : Mapping
        Keyword arguments for ``generate``.
    ignored : tuple of str
        Settings that mean nothing to ``generate``, such as ``image_aspect_ratio``.
    """

    stops: tuple[str, ...]
    arguments: Mapping[str, Any]
    ignored: tuple[str, ...]

    @classmethod
    def of_task(cls, settings: Mapping[str, Any], *, max_new_tokens: int) -> Decoding:
        """Read the ``generation_kwargs`` of a task of lmms-eval.

        Parameters
        ----------
        settings : Mapping
            As the harness hands them on. Answers are sampled where the temperature is above 0, unless
            ``do_sample`` says no; else they are decoded greedily, or by beams.
        max_new_tokens : int
            Longest answer where the task sets none.

        Raises
        ------
        InputError
            ``until`` is neither a string nor strings.

        Examples
        --------
        >>> task = {"until": ["ASSISTANT:"], "temperature": 0, "top_p": 1.0, "image_aspect_ratio": "original"}
        >>> decoding = Decoding.of_task(task, max_new_tokens=16)
        >>> decoding.arguments, decoding.stops, decoding.ignored
        ({'max_new_tokens': 16, 'do_sample': False}, ('ASSISTANT:',), ('image_aspect_ratio',))
        """
        until = settings.get("until") or ()
        stops = (until,) if isinstance(until, str) else tuple(until)
        if not all(isinstance(stop, str) for stop in stops):
            raise InputError(f"The task's until must be a string or a list of strings; got {until!r}.")
        temperature = settings.get("temperature")
        wanted = settings.get("do_sample", temperature is not None)
        sampled = bool(wanted) and temperature != 0
        passed = (*_PASSED, *_SAMPLING) if sampled else _PASSED
        arguments = {name: settings[name] for name in passed if settings.get(name) is not None}
        known = {*_PASSED, *_SAMPLING, "until", "do_sample"}
        return cls(
            stops=tuple(stop for stop in stops if stop),
            arguments={"max_new_tokens": max_new_tokens, **arguments, "do_sample": sampled},
            ignored=tuple(sorted(set(settings) - known)),
        )


def cut_at_stops(text: str, stops: Sequence[str]) -> str:
    r"""Return an answer up to the first of the stop strings, without outer blanks.

    Leading blanks go first: models begin answers with line breaks, and an empty line is the usual stop.

    >>> cut_at_stops("\n\n4 digits\n\nUSER: and", ["\n\n", "USER:"])
    '4 digits'
    """
    text = text.strip()
    for stop in stops:
        text = text.split(stop, 1)[0]
    return text.strip()


@dataclass(frozen=True)
class Request:
    """One question of a task.

    Attributes
    ----------
    context : str
        The words.
    load_images : callable
        Returns the pictures, none for words alone; called when the turn comes.
    settings : Mapping
        The task's generation settings, see :meth:`Decoding.of_task`.
    """

    context: str
    load_images: Callable[[], Sequence[Image]]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """An answer, with the numbers of tokens that the language model read and wrote for it."""

    text: str
    input_tokens: int
    output_tokens: int


class Responder:
    """A pruned model that answers any number of requests.

    Parameters
    ----------
    vlm
        Model and processor.
    pruned
        What is kept of its tokens.
    batch_size
        Prompts a call of ``generate``.
    max_new_tokens
        Longest answer where a request sets none.

    Attributes
    ----------
    seconds : float
        Time spent in ``generate`` so far, image encoder and selection included.
    """

    def __init__(
        self, vlm: VisionLanguageModel, pruned: Pruned, *, batch_size: int, max_new_tokens: int
    ) -> None:
        self.vlm, self.pruned = vlm, pruned
        self.seconds = 0.0
        self._batch_size, self._max_new_tokens = batch_size, max_new_tokens
        # Answers are written behind the prompt, so that shorter prompts of a batch are filled in front.
        vlm.processor.tokenizer.padding_side = "left"

    def answer(self, requests: Sequence[Request], *, progress: bool = False) -> list[Response]:
        """Answer requests, in the order given; long prompts run first: memory runs out at once or never."""
        answers: dict[int, Response] = {}
        with progress_bar("Answering", "questions", shown=progress) as bar:
            task = bar.add_task("", total=len(requests))
            for places in self._batches(requests):
                batch = [requests[place] for place in places]
                answers |= zip(places, self._answer_batch(batch), strict=True)
                bar.advance(task, len(batch))
        return [answers[place] for place in range(len(requests))]

    def _batches(self, requests: Sequence[Request]) -> Iterator[list[int]]:
        """Yield places of requests with equal settings, longest words first."""
        groups: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(json.dumps(request.settings, sort_keys=True, default=str), []).append(place)
        for places in groups.values():
            ordered = sorted(places, key=lambda place: (-len(requests[place].context), place))
            for start in range(0, len(ordered), self._batch_size):
                yield ordered[start : start + self._batch_size]

    def _answer_batch(self, batch: Sequence[Request]) -> list[Response]:
        """Answer those with pictures together and those without together: a processor takes no mixture."""
        decoding = Decoding.of_task(batch[0].settings, max_new_tokens=self._max_new_tokens)
        pictures = [[image.convert("RGB") for image in request.load_images()] for request in batch]
        answers: dict[int, Response] = {}
        for seen in (True, False):
            places = [place for place, images in enumerate(pictures) if bool(images) is seen]
            if places:
                texts = [
                    build_prompt(self.vlm.processor, batch[place].context, len(pictures[place]))
                    for place in places
                ]
                images = [pictures[place] for place in places] if seen else None
                answers |= zip(places, self._generate(texts, images, decoding), strict=True)
        return [answers[place] for place in range(len(batch))]

    def _generate(
        self, texts: list[str], images: list[list[Image]] | None, decoding: Decoding
    ) -> list[Response]:
        import torch

        inputs = self._inputs(texts, images)
        ends = _end_ids(self.vlm)
        start = perf_counter()
        with torch.inference_mode(), self.pruned:
            whole = self.vlm.model.generate(
                **inputs, **decoding.arguments, eos_token_id=ends, pad_token_id=_pad_id(self.vlm)
            )
        fresh = whole[:, inputs["input_ids"].shape[1] :].cpu()
        self.seconds += perf_counter() - start
        read = inputs["attention_mask"].sum(dim=1).tolist()
        if images is not None and self.pruned.last is not None:
            for image in self.pruned.last.images:
                read[image.prompt] -= int((~image.stays).sum())
        words = self.vlm.processor.tokenizer.batch_decode(fresh, skip_special_tokens=True)
        return [
            Response(cut_at_stops(text, decoding.stops), length, _written(ids, ends))
            for text, length, ids in zip(words, read, fresh, strict=True)
        ]

    def _inputs(self, texts: list[str], images: list[list[Image]] | None) -> dict[str, Any]:
        processor, model = self.vlm.processor, self.vlm.model
        options: dict[str, Any] = {"return_tensors": "pt", "padding": True}
        beginning = processor.tokenizer.bos_token
        if beginning and all(text.startswith(beginning) for text in texts):
            options["add_special_tokens"] = False  # the chat template has written it
        if images is not None:
            options["images"] = images
        made = processor(text=texts, **options).to(model.device, dtype=model.dtype)
        return {name: value for name, value in made.items() if name != "labels"}


def _end_ids(vlm: VisionLanguageModel) -> list[int]:
    """Return the tokens that end an answer: those that the model names, else the tokenizer's."""
    ids = vlm.model.generation_config.eos_token_id
    if ids is None:
        ids = vlm.processor.tokenizer.eos_token_id
    return [int(one) for one in ids] if isinstance(ids, list) else [int(ids)]


def _pad_id(vlm: VisionLanguageModel) -> int:
    for owner in (vlm.model.generation_config, vlm.processor.tokenizer):
        if owner.pad_token_id is not None:
            return int(owner.pad_token_id)
    return _end_ids(vlm)[0]


def _written(ids: torch.Tensor, ends: Sequence[int]) -> int:
    """Return the number of tokens up to the one that ends the answer, that one counted."""
    for place, one in enumerate(ids.tolist()):
        if one in ends:
            return place + 1
    return len(ids)
