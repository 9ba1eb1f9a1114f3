"""What learns: a projector between the two parts, and changes of low rank to the language model (LoRA)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from otanalysis.stamps.assembly.adapter import PLACES, SCALE

if TYPE_CHECKING:
    from transformers import LlamaModel

_GELU = 0.6  # about the root mean square of a GELU of standard normal numbers


class Projector(nn.Module):
    """Two layers with a GELU between them, named as those of transformers' ``LlavaMultiModalProjector``."""

    def __init__(self, wide: int, out: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(wide, out)
        self.linear_2 = nn.Linear(out, out)

    @torch.no_grad()
    def begin(self, features: Tensor, words: Tensor) -> None:
        """Begin with tokens as long as words, from features each of which counts alike.

        Parameters
        ----------
        features
            Some of the image encoder, ``[..., wide]``: their mean and deviation become part of the layer.
        words
            The language model's table of words, ``[v, out]``.
        """
        flat = features.flatten(0, -2)
        mean, deviation = flat.mean(0), flat.std(0)
        nn.init.normal_(self.linear_1.weight, std=self.linear_1.in_features**-0.5)
        self.linear_1.weight.div_(deviation)
        self.linear_1.bias.copy_(-self.linear_1.weight @ mean)
        scale = float(words.std()) / (_GELU * self.linear_2.in_features**0.5)
        nn.init.normal_(self.linear_2.weight, std=scale)
        nn.init.zeros_(self.linear_2.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the visual tokens, ``[..., out]``, of features ``[..., wide]``."""
        tokens: Tensor = self.linear_2(nn.functional.gelu(self.linear_1(features)))
        return tokens


class Change(nn.Module):
    """A change of one linear layer in every layer of the model; it begins as none."""

    def __init__(self, shape: torch.Size, rank: int) -> None:
        super().__init__()
        layers, out, wide = shape
        self.A = nn.Parameter(torch.randn(layers, rank, wide) * wide**-0.5)
        self.B = nn.Parameter(torch.zeros(layers, out, rank))

    def forward(self, weights: Tensor) -> Tensor:
        """Return the changed weights ``[layers, out, wide]``: W + 2 B A."""
        return torch.baddbmm(weights, self.B, self.A, alpha=SCALE)


class LearningAdapter(nn.Module):
    """Projector and changes; the names of its state are those of the file that ``assemble`` takes.

    Parameters
    ----------
    projector
        The projector.
    language
        What the changes are for.
    rank
        Of the changes.
    """

    def __init__(self, projector: Projector, language: ChangedLanguage, rank: int) -> None:
        super().__init__()
        self.projector = projector
        changes = {letter: Change(own.shape, rank) for letter, own in language.weights.items()}
        self.lora = nn.ModuleDict(changes)

    def stored(self) -> dict[str, Tensor]:
        """Return all numbers as the file has them, in float16."""
        return {name: value.half().cpu().contiguous() for name, value in self.state_dict().items()}


class ChangedLanguage:
    """The language model under an adapter: called as the model is, and with the changes of that moment.

    Parameters
    ----------
    model
        The pretrained language model, float32.
    dtype
        In which it computes: it is left in this type, and changes are added before they are rounded to it.
    """

    def __init__(self, model: LlamaModel, dtype: torch.dtype = torch.float32) -> None:
        self._names = {
            letter: [f"layers.{layer}.{place}.weight" for layer in range(len(model.layers))]
            for letter, place in PLACES.items()
        }
        state = model.state_dict()
        self.weights = {
            letter: torch.stack([state[name] for name in names]) for letter, names in self._names.items()
        }
        self.model = model
        nn.Module.to(model, dtype).requires_grad_(requires_grad=False)

    def under(self, adapter: LearningAdapter) -> dict[str, Tensor]:
        """Return the changed weights by their names in the model, in its type."""
        changed: dict[str, Tensor] = {}
        for letter, names in self._names.items():
            merged = adapter.lora[letter](self.weights[letter]).to(self.model.dtype)
            changed |= dict(zip(names, merged.unbind(0), strict=True))
        return changed

    def __call__(self, adapter: LearningAdapter, **inputs: Any) -> Any:
        """Return the model's output for its inputs."""
        return functional_call(self.model, self.under(adapter), (), inputs)
