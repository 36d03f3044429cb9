"""ONNX files: any graph of tensors over columns, run by onnxruntime in batches (`ml_onnx`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.ml.importing import Asked, Imported, content_of, settled, source_of
from sqlshell.ml.packages import need_module
from sqlshell.types import BIGINT, BOOLEAN, DOUBLE, FLOAT, INT, STRING, Array, SqlType

if TYPE_CHECKING:
    from collections.abc import Sequence

GRAPH = "model.onnx"
TENSORS: dict[str, SqlType] = {
    "tensor(float)": FLOAT, "tensor(double)": DOUBLE, "tensor(int64)": BIGINT, "tensor(int32)": INT,
    "tensor(bool)": BOOLEAN, "tensor(string)": STRING,
}  # fmt: skip


def read_onnx(asked: Asked) -> Imported:
    """A graph whose inputs are tensors by row. `INPUT (...)` names columns; without it an input is a column."""
    need_module("onnxruntime", "onnx", "importing ONNX")
    content = content_of(asked.path)
    from sqlshell.functions.onnx import session_of

    try:
        session = session_of(content)
    except Exception as e:  # onnxruntime's own exceptions share no base
        raise AnalysisError(
            f"'{asked.path}' cannot be read as ONNX: {str(e).strip().splitlines()[0][:200]}",
            condition="UNSUPPORTED_MODEL_FORMAT",
        ) from None
    inputs, columns = _inputs(asked, session.get_inputs())
    outputs = []
    for o in session.get_outputs():
        t = TENSORS.get(o.type)
        if t is None:
            raise NotSupportedError(
                f"the output `{o.name}` of '{asked.path}' is {o.type}", condition="UNSUPPORTED_MODEL_FORMAT",
                hint="outputs are tensors; of skl2onnx: options={'zipmap': False}",
            )  # fmt: skip
        scalar = len(o.shape) < 2 or o.shape[1] == 1
        outputs.append({"name": o.name, "type": str(t if scalar else Array(t, False))})
    data: dict[str, Any] = {
        "model_type": "onnx", "label": None, "label_type": None, "classes": [], "options": settled("onnx"),
        "input": [{"name": n, "type": str(t), "used": True} for n, t in columns], "features": [],
        "libraries": {"file": source_of(asked.path, content)["sha256"]}, "fit_statistics": {},
        "graph": {"inputs": inputs, "outputs": outputs},
    }  # fmt: skip
    return Imported(data, {}, {GRAPH: content})


def _inputs(asked: Asked, given: Sequence[Any]) -> tuple[list[dict[str, Any]], list[tuple[str, SqlType]]]:
    """Each graph input with the columns it takes, and all columns with their types."""
    waiting = list(asked.inputs)
    found, columns = [], []
    for i in given:
        t = TENSORS.get(i.type)
        if t is None or len(i.shape) > 2:
            raise NotSupportedError(
                f"the input `{i.name}` of '{asked.path}' is {i.type} of {len(i.shape)} dimensions",
                condition="UNSUPPORTED_MODEL_FORMAT",
            )
        width = 1 if len(i.shape) < 2 else i.shape[1] if isinstance(i.shape[1], int) else None
        if asked.inputs:
            count = width if width is not None else len(waiting) if len(given) == 1 else 1
            own, waiting = waiting[:count], waiting[count:]
            if len(own) < count:
                raise _count(asked, sum(1 for _ in asked.inputs), i.name, count)
        else:
            own = [(i.name, t if width == 1 else Array(t))]
        columns += own
        found.append({"name": i.name, "tensor": i.type, "columns": [n for n, _ in own], "rank": len(i.shape)})
    if waiting:
        raise _count(asked, len(asked.inputs), given[-1].name, len(asked.inputs) - len(waiting))
    return found, columns


def _count(asked: Asked, named: int, name: str, count: int) -> AnalysisError:
    return AnalysisError(
        f"INPUT names {named} columns, which do not fit the input `{name}` of {count}",
        condition="MODEL_INPUT_MISSING", span=asked.span,
        hint="without INPUT (...) each input of the graph is a column, an array where it is wider than 1",
    )  # fmt: skip
