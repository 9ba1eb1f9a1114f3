"""The image encoder: a DINOv2 that was exported to ONNX, back in transformers' ``Dinov2Model``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import Dinov2Model

Weights = dict[str, NDArray[np.float32]]

PREFIX: Final = "backbone."
"""With this the names of the encoder's weights begin in the file; what else it holds is another's head."""
HEAD_WIDTH: Final = 64
"""Of the attention of every DINOv2 (Oquab et al., arXiv:2304.07193, Table 17)."""

_ATTENTION: Final = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
}
"""Names of the export, and of the class in newer versions of transformers."""


def read_vision(content: bytes) -> Dinov2Model:
    """Return the image encoder of an ONNX file.

    Parameters
    ----------
    content : bytes
        The file, as ``torch.onnx.export`` writes a ``Dinov2Model`` under the name ``backbone``.

    Returns
    -------
    transformers.Dinov2Model
        In float32; its sizes are those of the weights.
    """
    import torch
    from transformers import Dinov2Config, Dinov2Model

    weights = exported_weights(content)
    width = weights["embeddings.cls_token"].shape[-1]
    patch = weights["embeddings.patch_embeddings.projection.weight"].shape[-1]
    places = weights["embeddings.position_embeddings"].shape[1] - 1
    config = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=sum(name.endswith(".norm1.weight") for name in weights),
        num_attention_heads=width // HEAD_WIDTH,
        mlp_ratio=weights["encoder.layer.0.mlp.fc1.bias"].shape[0] // width,
        image_size=patch * round(places**0.5),
        patch_size=patch,
    )
    model = Dinov2Model(config)
    own = model.state_dict()
    named = {_name(name, own): torch.from_numpy(value) for name, value in weights.items()}
    # Nothing is masked outside of DINOv2's own training, and exports leave it out.
    named.setdefault("embeddings.mask_token", torch.zeros(1, width))
    model.load_state_dict(named)
    model.eval()
    return model


def exported_weights(content: bytes) -> Weights:
    """Return the weights by their names in the exported model.

    The exporter keeps the names of biases and norms, but folds constants: the matrix of a linear layer is
    transposed and nameless, and known by the bias that is added to its product; the position codes come in
    two pieces, that of the class token apart, as they are resized to the picture.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(content).graph
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    weights = {name.removeprefix(PREFIX): value for name, value in values.items() if name.startswith(PREFIX)}
    for bias, matrix in _linear_layers(graph, values).items():
        weights[bias.removeprefix(PREFIX).removesuffix("bias") + "weight"] = values[matrix].T
    [of_class] = [value for name, value in values.items() if name.startswith("onnx::Concat")]
    [of_patches] = [value for name, value in values.items() if name.startswith("onnx::Reshape")]
    weights["embeddings.position_embeddings"] = np.concatenate([of_class, of_patches], axis=1)
    # Copies: what onnx gives may not be written.
    return {name: np.array(value, np.float32, order="C") for name, value in weights.items()}


def _linear_layers(graph: Any, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each linear layer's matrix by that of its bias."""
    matrices = {
        node.output[0]: name
        for node in graph.node
        if node.op_type == "MatMul"
        for name in node.input
        if name in values
    }
    return {
        bias: matrices[product]
        for node in graph.node
        if node.op_type == "Add"
        for product in node.input
        if product in matrices
        for bias in node.input
        if bias.startswith(PREFIX)
    }


def _name(exported: str, own: Mapping[str, Any]) -> str:
    """Return the name of a weight in the installed version of transformers."""
    if exported in own:
        return exported
    for old, new in _ATTENTION.items():
        exported = exported.replace(old, new)
    return exported
