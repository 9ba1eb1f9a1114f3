"""What was trained to join the parts: a projector, and changes of low rank to the language model (LoRA)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otanalysis.errors import InputError
from otanalysis.files import as_path, bundled_data, sha256_of_file

if TYPE_CHECKING:
    import torch

SCALE: Final = 2.0
"""By which the product of a LoRA counts: its alpha, 32, over its rank, 16."""
BUNDLED: Final = "smooth"
"""The adapter that comes with otanalysis."""

PLACES: Final = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "g": "mlp.gate_proj",
    "u": "mlp.up_proj",
    "d": "mlp.down_proj",
}
"""Letter of a change in the file, and the linear layer to which it is added."""


@dataclass(frozen=True)
class KnownAdapter:
    """An adapter that was measured: its checksum, and what is known of its training."""

    sha256: str
    trained_on: str


ADAPTERS: Final = {
    BUNDLED: KnownAdapter(
        "f9cdcc0efc0d9a4736258eb74e2fdad490bf9d68af5807e8213ee35005f3b07f",
        "trained elsewhere, on one H200, on 24,000 scenes with smooth backgrounds (seed 0, 280 s); mean "
        "score of eleven benchmarks with all tokens 0.965, of their commonest answers 0.173",
    ),
    "natural": KnownAdapter(
        "14b3bd49a5b1c5c46564f8116ebe068880e7745df51a4b21568386df82b7ecb8",
        "trained elsewhere, on one H200, on 24,000 scenes with photographs as backgrounds (seed 2, 265 s); "
        "mean score of eleven benchmarks with all tokens 0.875, of their commonest answers 0.170",
    ),
}
"""The adapters that were measured, by name; a file is known by its checksum."""


@dataclass(frozen=True)
class Adapter:
    """An adapter that is read.

    Attributes
    ----------
    name : str
        In :data:`ADAPTERS`, or that of its file.
    sha256 : str
        Of the file.
    projector : dict
        Weights of the two linear layers, float32, by their names in ``LlavaMultiModalProjector``.
    changes : dict
        For each letter of a linear layer the factors ``A [layers, rank, in]`` and ``B [layers, out, rank]``,
        float32.
    """

    name: str
    sha256: str
    projector: Mapping[str, torch.Tensor]
    changes: Mapping[str, tuple[torch.Tensor, torch.Tensor]]

    @property
    def trained_on(self) -> str:
        """What is known of its training."""
        known = ADAPTERS.get(self.name)
        return known.trained_on if known else "not known to otanalysis, which measured nothing with it"


def read_adapter(given: str) -> Adapter:
    """Return the bundled adapter, or that of a file.

    Parameters
    ----------
    given : str
        ``"smooth"`` for the one that comes with otanalysis, else the path of a safetensors file.

    Raises
    ------
    InputError
        There is no such file, it holds no adapter, or the bundled one is damaged.
    """
    bundled = given == BUNDLED
    file = bundled_data("stamp-llava/adapter.safetensors", "bundled adapter") if bundled else _file(given)
    digest = sha256_of_file(file)
    if bundled and digest != ADAPTERS[BUNDLED].sha256:
        raise InputError(
            f"The bundled adapter {file} has the SHA-256 {digest[:12]}..., but "
            f"{ADAPTERS[BUNDLED].sha256[:12]}... was wanted: it is damaged; restore it from the repository, "
            "or install otanalysis again."
        )
    name = next((name for name, known in ADAPTERS.items() if known.sha256 == digest), file.name)
    projector, changes = _tensors(file)
    return Adapter(name, digest, projector, changes)


def _file(given: str) -> Path:
    file = as_path(given, "an adapter")
    if file.is_file():
        return file
    elsewhere = ", ".join(name for name in ADAPTERS if name != BUNDLED)
    raise InputError(
        f"An adapter is {BUNDLED} or a safetensors file, but there is no file {given}; those of other "
        f"trainings ({elsewhere}) do not come with otanalysis, and are given by their path."
    )


def _tensors(
    file: Path,
) -> tuple[dict[str, torch.Tensor], dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = {name: value.float() for name, value in load_file(file).items()}
        projector = {
            f"linear_{layer}.{kind}": tensors.pop(f"projector.linear_{layer}.{kind}")
            for layer in (1, 2)
            for kind in ("weight", "bias")
        }
        changes = {
            letter: (tensors.pop(f"lora.{letter}.A"), tensors.pop(f"lora.{letter}.B")) for letter in PLACES
        }
    except (SafetensorError, KeyError) as error:
        raise InputError(
            f"{file} holds no adapter ({error}): a safetensors file with a projector (projector.linear_1 and "
            "_2) and changes (lora.q.A, lora.q.B, ...) is wanted."
        ) from error
    if tensors:
        raise InputError(f"{file} holds more than an adapter: {', '.join(sorted(tensors))}.")
    return projector, changes


def add_changes(weights: dict[str, torch.Tensor], adapter: Adapter) -> None:
    r"""Add the changes to the weights of a language model, in place: :math:`W + 2 B A`, layer by layer.

    In float64, so that what is stored does not depend on the order in which a machine sums.

    Parameters
    ----------
    weights : dict
        Weights ``[out, in]`` by their names in ``LlamaModel``, float32.
    adapter : Adapter
        Whose changes they are.

    Raises
    ------
    InputError
        The adapter is of another language model.
    """
    try:
        for letter, (first, second) in adapter.changes.items():
            for layer, (a, b) in enumerate(zip(first, second, strict=True)):
                name = f"layers.{layer}.{PLACES[letter]}.weight"
                weights[name] = (weights[name].double() + SCALE * b.double() @ a.double()).float()
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"The adapter {adapter.name} does not fit the language model ({error}): take one that was "
            "trained with these parts."
        ) from error
