"""ONNX graphs as a function (`k.onnx` is exec/onnx.py)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlshell.functions.common import constant
from sqlshell.functions.registry import Function
from sqlshell.types import Field, Struct
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from sqlshell.types import SqlType


def session_of(content: bytes) -> Any:
    """A graph, ready to run on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(k: Any, content: Any, graph: Any, *values: Any) -> Any:
    return k.onnx.run(
        constant(k, 0, "graph"), json.loads(constant(k, 1, "text")), values, k.dtype(k.call.type)
    )


def _outputs(types: tuple[SqlType, ...], args: Any) -> SqlType:
    graph = json.loads(args[1].value)
    return Struct(tuple(Field(o["name"], parse_type(o["type"])) for o in graph["outputs"]))


ROWS = (
    Function(
        "ml_onnx",
        "binary, string, any... -> fn",
        "The outputs of a constant ONNX graph; the text says which columns make which input.",
        "",
        lower=_run,
        returns=_outputs,
        strict=False,
        nullable=lambda n: True,
    ),
)
