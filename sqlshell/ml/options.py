"""Options of CREATE MODEL: what there is, their synonyms, defaults and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.ml import estimators
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.errors import Span
    from sqlshell.ml.estimators import Estimator
    from sqlshell.parser.statement_model import ModelOption


@dataclass(frozen=True)
class Option:
    """One option. `kind` is bool, int, float, text, names, or choices separated by `|`; `least` a lower bound."""

    name: str
    kind: str
    default: Any
    doc: str
    synonyms: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


# fmt: off
COMMON = (
    Option("model_type", "text", None, "The kind of model.", ("model_class",)),
    Option("input_label_cols", "names", (), "The column to predict.",
           ("label", "labelcol", "label_col", "target_column")),
    Option("data_split_method", "auto_split|random|custom|no_split|k_fold", "auto_split",
           "Which rows are held out: by a hash of the row and the seed (random), those where data_split_col is TRUE "
           "(custom), none, or each of num_folds parts in turn, the model then being trained on all rows (k_fold). "
           "auto_split holds out none below 500 rows, a fifth up to 50,000, 10,000 above."),
    Option("data_split_eval_fraction", "float", 0.2, "The share of rows held out.", ("eval_fraction",), 0.0, 1.0),
    Option("num_folds", "int", 5, "k_fold: how many parts.", ("numfolds", "folds"), 2, 100),
    Option("data_split_col", "text", None, "custom: the boolean column that is TRUE for held-out rows."),
    Option("weight_col", "text", None, "A column that says how much a row counts.", ("weightcol",)),
    Option("category_encoding_method", "auto|one_hot_encoding|dummy_encoding", "auto",
           "How text columns become numbers; dummy leaves the first category out, which auto does for linear and "
           "logistic models without penalty."),
    Option("seed", "int", 0, "What hashes and random draws start from."),
    Option("num_workers", "int", None, "Ranks of the gang; the model does not depend on it.", ("num_ranks",), 1),
    Option("num_partitions", "int", None,
           "Parts that sums are taken over, part of the model's definition (default: by size).", (), 1),
    Option("max_failures", "int", 3, "How often the gang starts again.", (), 0),
    Option("checkpoint_interval", "int", 10, "Iterations between checkpoints; 0 for none.", (), 0),
    Option("barrier_timeout", "float", 600.0, "Seconds that ranks wait for one another.", (), 0.0),
    Option("description", "text", "", "A remark for SHOW MODELS.", ("comment",)),
    Option("time_zone", "text", None, "The time zone of the training query (default: the session's)."),
    Option("session_time", "text", None, "What now() is in the training query, UTC (default: now)."),
    Option("num_trials", "int", None, "Trials of a search (default: 10 random ones, or the whole grid).", (), 1, 200),
    Option("max_parallel_trials", "int", None, "Trials side by side (default: one for each core).", (), 1),
    Option("hparam_tuning_algorithm", "auto|grid_search|random_search", "auto",
           "How HPARAM_RANGE and HPARAM_CANDIDATES are searched; auto is a grid of candidates, random with ranges."),
    Option("hparam_tuning_objectives", "names", (), "The metric of ML.EVALUATE that trials are compared by (default: "
           "r2_score, log_loss or mean_squared_distance)."),
    Option("warm_start", "bool", False, "Start from the current version's parameters."),
)
L1 = Option("l1_reg", "float", 0.0, "Weight of the L1 penalty.", (), 0.0)
L2 = Option("l2_reg", "float", 0.0, "Weight of the L2 penalty.", (), 0.0)
STANDARDIZE = Option("standardize_features", "bool", True, "Divide features by their deviation while training.",
                     ("standardization",))
INTERCEPT = Option("fit_intercept", "bool", True, "Fit a constant term.", ("fitintercept",))
GLOBAL_EXPLAIN = Option("enable_global_explain", "bool", False, "Keep the mean size of each feature's part.")
P_VALUES = Option("calculate_p_values", "bool", False, "Keep standard errors and p values (models without penalty).")
# fmt: on
PENALTY = ("reg_param", "regparam", "elastic_net_param", "elasticnetparam")
"""Spark's spelling: l1_reg = reg * elastic_net, l2_reg = reg * (1 - elastic_net)."""


def model_type(options: Iterable[ModelOption], span: Span | None) -> Estimator:
    """The estimator that OPTIONS name."""
    for option in options:
        if option.name in ("model_type", "model_class"):
            return estimators.get(str(option.value), option.span)
    raise AnalysisError(
        "CREATE MODEL needs a model type",
        condition="MISSING_MODEL_OPTION",
        span=span,
        hint="OPTIONS(model_type = 'linear_reg', input_label_cols = ['y'])",
    )


def settle(estimator: Estimator, given: Iterable[ModelOption]) -> dict[str, Any]:
    """All options with their values, defaults filled in, checked."""
    known = {o.name: o for o in (*COMMON, *estimator.options)}
    by_name = {n: o for o in known.values() for n in (o.name, *o.synonyms)}
    found: dict[str, Any] = {}
    penalty: dict[str, float] = {}
    for item in given:
        if item.name in PENALTY and "l1_reg" in known:
            penalty[item.name.replace("_", "")] = _checked(L1, item)
            continue
        option = by_name.get(item.name)
        if option is None:
            raise _unknown(estimator, item, by_name)
        if option.name in found:
            raise AnalysisError(
                f"the option {option.name} is given twice", condition="DUPLICATE_MODEL_OPTION", span=item.span
            )
        found[option.name] = _checked(option, item)
    if penalty:
        strength, share = penalty.get("regparam", 0.0), penalty.get("elasticnetparam", 0.0)
        found["l1_reg"], found["l2_reg"] = strength * share, strength * (1.0 - share)
    settled = {o.name: found.get(o.name, o.default) for o in known.values()}
    settled["model_type"] = estimator.name
    if estimator.check is not None:
        estimator.check(settled)
    return settled


def combination(message: str, hint: str | None = None) -> AnalysisError:
    """The error for options that do not go together."""
    return AnalysisError(message, condition="INVALID_MODEL_OPTION_COMBINATION", hint=hint)


def _unknown(estimator: Estimator, item: ModelOption, known: Iterable[str]) -> AnalysisError:
    others = [
        name
        for name in estimators.MODULES
        if name != estimator.name
        and any(item.name in (o.name, *o.synonyms) for o in estimators.get(name).options)
    ]
    hint = f"it is an option of {', '.join(others)}" if others else did_you_mean(item.name, known)
    return AnalysisError(
        f"{estimator.name} has no option `{item.name}`",
        condition="UNKNOWN_MODEL_OPTION",
        span=item.span,
        hint=hint or "options are " + ", ".join(known),
    )


def _checked(option: Option, item: ModelOption) -> Any:
    value = item.value
    ok, result = _convert(option, value)
    if ok and isinstance(result, (int, float)) and not isinstance(result, bool):
        ok = (option.least is None or result >= option.least) and (
            option.most is None or result <= option.most
        )
    if not ok:
        wanted = (
            option.kind.replace("|", ", ") if "|" in option.kind else _WANTED.get(option.kind, option.kind)
        )
        if option.least is not None:
            wanted += f" of at least {option.least:g}"
        if option.most is not None:
            wanted += f" and at most {option.most:g}"
        raise AnalysisError(
            f"the option {option.name} takes {wanted}, not {value!r}",
            condition="INVALID_MODEL_OPTION_VALUE",
            span=item.span,
        )
    return result


_WANTED = {"bool": "TRUE or FALSE", "int": "a whole number", "float": "a number", "text": "a text",
           "names": "a list of one or more texts", "weights": "pairs of a class and its weight",
           "numbers": "a list of numbers"}  # fmt: skip


def _convert(option: Option, value: Any) -> tuple[bool, Any]:
    """(whether it fits, the value)."""
    match option.kind:
        case "bool":
            return isinstance(value, bool), value
        case "int":
            return isinstance(value, int) and not isinstance(value, bool), value
        case "float":
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
            return fits, float(value) if fits else value
        case "text":
            return isinstance(value, str), value
        case "names":
            names = (value,) if isinstance(value, str) else value
            return isinstance(names, tuple) and all(isinstance(n, str) for n in names) and bool(names), names
        case "numbers":
            return isinstance(value, tuple) and all(isinstance(v, (int, float)) for v in value), value
        case "weights":
            pairs = isinstance(value, tuple) and all(isinstance(p, tuple) and len(p) == 2 for p in value)
            return pairs, value
    lowered = str(value).lower()
    return lowered in option.kind.split("|"), lowered
