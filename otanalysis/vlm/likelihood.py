"""How likely a model is to give an answer from many kept sets of one picture, in batches.

The picture is encoded once, and the answer is teacher-forced: one plain call a batch of kept sets, on inputs
made as :class:`~otanalysis.vlm.pruned.Pruned` makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from otanalysis.arrays import BoolArray, FloatArray, IntArray, check_indices
from otanalysis.errors import InputError
from otanalysis.vlm.answer import question_prompt
from otanalysis.vlm.choose import rows_with
from otanalysis.vlm.encode import encode_images, vision_inputs
from otanalysis.vlm.handed import repeat_parts
from otanalysis.vlm.handover import require_takes_features, seen_by_the_language_model
from otanalysis.vlm.kept_call import Positions, kept_call
from otanalysis.vlm.layout import ImageTokens, Picture
from otanalysis.vlm.model import VisionLanguageModel
from otanalysis.vlm.prunable import require_prunable

if TYPE_CHECKING:
    import torch

_OF_ANSWERS: Final = {"attention_mask": 1, "token_type_ids": 1}
"""What stands at the places of an answer in tensors that go along with the ids; zero in all others.

PaliGemma's ``token_type_ids`` tell what comes behind its prompt, within which every token sees every other.
"""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """How a model takes to an answer from ``s`` kept sets, as :class:`AskedPicture` finds it.

    Attributes
    ----------
    log_probability : ndarray [s], float64
        Natural logarithm of the probability of the whole answer: the sum over its tokens and the end mark.
    right : ndarray [s], bool
        Whether decoding greedily gives this answer: no other token is likelier at any of its places.
    """

    log_probability: FloatArray
    right: BoolArray


class AskedPicture:
    """A question about one picture with its right answer, put to a model; the picture is encoded once.

    Parameters
    ----------
    vlm
        The model.
    picture
        RGB, ``uint8`` of shape ``[h, w, 3]``.
    question
        As for :func:`~otanalysis.vlm.answer.question_prompt`.
    answer
        The words that the model should say, as its tokenizer makes tokens of them on their own. Behind them
        comes the end mark of the model's ``generation_config``, if it names one (of several: any).

    Attributes
    ----------
    image : ImageTokens
        The visual tokens of the picture.
    answer_tokens : int
        Number of tokens of the answer, without the end mark.

    Raises
    ------
    InputError
        The kind of model is not supported, the prompt does not hold exactly one placeholder, or the answer is
        empty or has words that the tokenizer does not know.
    MissingDependencyError
        torch or transformers is missing or too old.

    Examples
    --------
    >>> import numpy as np
    >>> from otanalysis.mini import bundled_model_path
    >>> from otanalysis.vlm import load_model
    >>> vlm, picture = load_model(bundled_model_path()), np.zeros((192, 192, 3), np.uint8)
    >>> no, yes = (AskedPicture(vlm, picture, "is there a 7 ?", words) for words in ("no", "yes"))
    >>> kept = np.arange(112).reshape(2, 56)
    >>> no.likelihood(kept).right.tolist(), yes.likelihood(kept).right.tolist()
    ([True, True], [False, False])
    """

    def __init__(
        self, vlm: VisionLanguageModel, picture: NDArray[np.uint8], question: str, answer: str
    ) -> None:
        import torch

        require_takes_features(vlm.model)
        self._vlm = vlm
        inputs = _inputs_of(vlm, picture, question)
        require_prunable(vlm.model, inputs, generating=False)
        with torch.inference_mode():
            known = [Picture.through(vlm.processor, *picture.shape[:2])]
            self._encoded = encode_images(vlm.model, inputs, pictures=known)
        self._answer = _tokens_of(vlm, answer)
        seen = vision_inputs(vlm.model, inputs)
        # Positions on a grid are made of its size; the pictures themselves are not needed any more.
        left = {name: value for name, value in inputs.items() if name not in seen or name == "image_grid_thw"}
        self._inputs = _with_answer(left, self._answer)

    @property
    def image(self) -> ImageTokens:
        """The visual tokens of the picture."""
        return self._encoded.images[0]

    @property
    def answer_tokens(self) -> int:
        """Number of tokens of the answer."""
        return len(self._answer)

    @cached_property
    def full(self) -> Likelihood:
        """How likely the answer is from all tokens, as one set."""
        return self.likelihood(np.arange(len(self.image.patches))[None])

    def likelihood(
        self,
        subsets: IntArray,
        *,
        positions: Positions = "renumbered",
        batch_size: int = 64,
    ) -> Likelihood:
        """Return how likely the answer is from each of several kept sets.

        Parameters
        ----------
        subsets : ndarray [s, k]
            Kept tokens of every set, distinct, in any order: they go on ascending in position.
        positions
            As for :class:`~otanalysis.vlm.pruned.Pruned`.
        batch_size
            Kept sets a call.

        Raises
        ------
        InputError
            If the sets are not as described, or the model does not hand on what it is handed.
        """
        m = len(self.image.patches)
        sets = [np.sort(check_indices(one, m)) for one in subsets]
        if not sets or len({len(one) for one in sets}) > 1:
            raise InputError("Kept sets of one size are wanted, at least one: an array [s, k] of positions.")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1 kept set a call, got {batch_size}.")
        found = [
            one
            for start in range(0, len(sets), batch_size)
            for one in self._batch(sets[start : start + batch_size], positions)
        ]
        return Likelihood(np.array([value for value, _ in found]), np.array([right for _, right in found]))

    def _batch(self, sets: list[IntArray], positions: Positions) -> Iterator[tuple[float, bool]]:
        import torch

        with torch.inference_mode():
            images = tuple(replace(self.image, prompt=prompt) for prompt in range(len(sets)))
            output = type(self._encoded.output)(**self._encoded.output)
            repeat_parts(output, self._encoded.family.field, len(sets))
            device = self.image.features.device
            kept = [
                rows_with(image, torch.as_tensor(one, device=device), keep_newlines=True)
                for image, one in zip(images, sets, strict=True)
            ]
            call, features = kept_call(
                self._vlm.model,
                {name: value.expand(len(sets), *value.shape[1:]) for name, value in self._inputs.items()},
                replace(self._encoded, output=output, images=images),
                kept,
                positions=positions,
                side="left",
                generating=False,
            )
            behind = self.answer_tokens + 1
            with seen_by_the_language_model(self._vlm.model, call, features):
                logits = self._vlm.model(**call, logits_to_keep=behind, use_cache=False).logits
            yield from self._judged(logits[:, -behind:].float())

    def _judged(self, logits: torch.Tensor) -> Iterator[tuple[float, bool]]:
        """Yield log-probability and verdict of every row of the logits [s, n + 1, v] behind the prompt."""
        import torch

        scores = logits.log_softmax(-1).double()
        likeliest = logits.argmax(-1)
        wanted = self._answer.to(logits.device)
        places = wanted.expand(len(scores), -1)[..., None]
        total = scores[:, :-1].gather(-1, places)[..., 0].sum(-1)
        right = (likeliest[:, :-1] == wanted).all(-1)
        if ends := _end_marks(self._vlm.model):
            total += scores[:, -1, ends].logsumexp(-1)
            right &= torch.isin(likeliest[:, -1], torch.tensor(ends, device=logits.device))
        yield from zip(total.tolist(), right.tolist(), strict=True)


def _inputs_of(vlm: VisionLanguageModel, picture: NDArray[np.uint8], question: str) -> dict[str, Any]:
    """Return the model's inputs for a question about one picture, on its device."""
    from PIL import Image

    prompt = question_prompt(vlm.processor, question)
    if prompt.count(vlm.image_token) != 1:
        raise InputError(f"One picture wants one {vlm.image_token} in the prompt; got {prompt!r}.")
    inputs = vlm.processor(images=[Image.fromarray(picture)], text=[prompt], return_tensors="pt")
    inputs = dict(inputs.to(vlm.model.device))
    inputs.pop(
        "labels", None
    )  # PaliGemma's processor makes them for training; they are of the prompt's length
    if "pixel_values" in inputs:
        inputs["pixel_values"] = inputs["pixel_values"].to(vlm.model.dtype)
    return inputs


def _tokens_of(vlm: VisionLanguageModel, answer: str) -> torch.Tensor:
    """Return the tokens [n] of an answer."""
    tokenizer = vlm.processor.tokenizer
    ids: torch.Tensor = tokenizer(answer, add_special_tokens=False, return_tensors="pt")["input_ids"][
        0
    ].long()
    unknown = tokenizer.unk_token_id is not None and bool((ids == tokenizer.unk_token_id).any())
    if not len(ids) or unknown:
        what = "has words that the tokenizer does not know" if unknown else "has no tokens"
        raise InputError(f"The answer {answer!r} {what}: give one that {vlm.name} can say.")
    return ids


def _with_answer(inputs: dict[str, Any], answer: torch.Tensor) -> dict[str, Any]:
    """Return the inputs of a prompt [1, L] with the tokens [n] of an answer behind it."""
    import torch

    ids = inputs["input_ids"]
    longer = dict(inputs)
    for name, value in inputs.items():
        if value.shape == ids.shape:
            own = value.new_full((1, len(answer)), _OF_ANSWERS.get(name, 0))
            longer[name] = torch.cat([value, answer.to(value)[None] if name == "input_ids" else own], dim=1)
    return longer


def _end_marks(model: Any) -> list[int]:
    """Return the tokens with which the model ends an answer."""
    found = model.generation_config.eos_token_id
    return [] if found is None else [found] if isinstance(found, int) else list(found)
