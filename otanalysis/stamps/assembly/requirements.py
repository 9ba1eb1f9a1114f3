"""What assembling needs beside a model's own needs: readers of ONNX and GGUF."""

from __future__ import annotations

from otanalysis.errors import MissingDependencyError
from otanalysis.vlm.requirements import require_transformers


def require_readers() -> None:
    """Refuse to go on without torch, transformers, onnx and gguf.

    Raises
    ------
    MissingDependencyError
        In one sentence: what is missing, and the command that installs it.
    """
    require_transformers()
    try:
        import gguf  # noqa: F401
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"Assembling a model needs onnx and gguf ({error.name} is not installed): "
            "pip install 'otanalysis[vlm,pretrained]'"
        ) from error
