"""onnx: an imported graph; its outputs are columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Literal
from sqlshell.ml import expressions as ex
from sqlshell.ml.estimators import Estimator
from sqlshell.ml.packages import need_package
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.scope import get_field
from sqlshell.types import BINARY
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import Expr
    from sqlshell.ml.model import Model


def outputs(model: Model, inputs: Mapping[str, Expr], options: dict[str, Any]) -> ex.Outputs:
    from sqlshell.ml.importing_onnx import GRAPH

    need_package(model.estimator)
    graph = model.data["graph"]
    steps: list[Any] = []
    by_name = {c["name"]: cast_to(inputs[c["name"]], parse_type(c["type"])) for c in model.data["input"]}
    values = [by_name[c] for i in graph["inputs"] for c in i["columns"]]
    found = make_call("ml_onnx", [Literal(model.files[GRAPH], BINARY), ex.text(json.dumps(graph)), *values])
    struct = ex.step(steps, "onnx", found)
    return ex.Outputs(
        tuple(steps), tuple((o["name"], get_field(struct, o["name"], None)) for o in graph["outputs"])
    )


ESTIMATOR = Estimator(
    "onnx",
    "imported",
    "An ONNX graph, run by onnxruntime: CREATE MODEL m OPTIONS(model_type = 'onnx', path = '...').",
    "that of whoever trained it",
    (),
    None,
    outputs,
    package=("onnxruntime", "onnx"),
)
