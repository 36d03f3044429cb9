"""matrix_factorization: the same factors as dense solves of its objective, for any number of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.errors import Error
from sqlshell.ml.gang import Solo
from sqlshell.ml.solvers.als import Ratings, Settings, fit_als
from tests.ml.gangs import run_gang

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlshell.session import Session

    Sql = Callable[[str], list[tuple[Any, ...]]]

USERS, ITEMS = 90, 40


def ratings(count: int = 1500) -> Ratings:
    """Popular and rare items, repeated pairs, some ratings at 0 and below."""
    rng = np.random.default_rng(3)
    u = np.minimum(rng.geometric(0.03, count) - 1, USERS - 1).astype(np.int32)
    i = np.minimum(rng.geometric(0.08, count) - 1, ITEMS - 1).astype(np.int32)
    u[:USERS], i[:ITEMS] = np.arange(USERS), np.arange(ITEMS)
    a, b = rng.normal(size=(USERS, 3)), rng.normal(size=(ITEMS, 3))
    return Ratings(u, i, 1.0 + (a[u] * b[i]).sum(axis=1))


def settings(alpha: float | None = None, **changes: Any) -> Settings:
    values = {"factors": 4, "l2": 0.05, "alpha": alpha, "max_iterations": 5, "tolerance": 0.0, "seed": 7,
              "checkpoint_interval": 2}  # fmt: skip
    return Settings(**{**values, **changes})


def dense(r: Ratings, s: Settings, start: Any, rounds: int) -> tuple[Any, Any, float]:
    """The same steps and the objective, one dense solve for each row."""

    def half(own: Any, other: Any, size: int, factors: Any) -> Any:
        out = np.zeros((size, s.factors))
        for k in range(size):
            at = own == k
            f, v = factors[other[at]], r.values[at]
            if s.alpha is None:
                gram, right, n = f.T @ f, f.T @ v, at.sum()
            else:
                strength = s.alpha * np.abs(v)
                gram = factors.T @ factors + (f * strength[:, None]).T @ f
                right, n = f.T @ ((v > 0) * (1 + strength)), max((v > 0).sum(), 1)
            out[k] = np.linalg.solve(gram + s.l2 * n * np.eye(s.factors), right)
        return out

    v = start
    for _ in range(rounds):
        u = half(r.users, r.items, USERS, v)
        v = half(r.items, r.users, ITEMS, u)
    counts = [
        np.maximum(np.bincount(k, None if s.alpha is None else r.values > 0, n), 1)
        for k, n in ((r.users, USERS), (r.items, ITEMS))
    ]
    loss = s.l2 * (counts[0] @ (u**2).sum(axis=1) + counts[1] @ (v**2).sum(axis=1))
    if s.alpha is None:
        loss += ((r.values - (u[r.users] * v[r.items]).sum(axis=1)) ** 2).sum()
    else:
        products = (u[r.users] * v[r.items]).sum(axis=1)
        strength = s.alpha * np.abs(r.values)
        loss += ((u @ v.T) ** 2).sum() - (products**2).sum()
        loss += ((1 + strength) * ((r.values > 0) - products) ** 2).sum()
        repeated = len(r.values) - len(set(zip(r.users.tolist(), r.items.tolist(), strict=True)))
        assert repeated == 0, "the sum over all pairs needs each pair once"
    return u, v, float(loss) / r.count


def once(r: Ratings) -> Ratings:
    """Each pair once."""
    _, first = np.unique(r.users.astype(np.int64) * ITEMS + r.items, return_index=True)
    first.sort()
    return Ratings(r.users[first], r.items[first], r.values[first])


@pytest.mark.parametrize("alpha", [None, 2.5])
def test_factors_are_those_of_dense_solves(alpha: float | None) -> None:
    r = once(ratings()) if alpha is not None else ratings()
    s = settings(alpha)
    rng = np.random.default_rng(1)
    start = rng.normal(size=(ITEMS, s.factors))
    found = fit_als(Solo(), r, USERS, ITEMS, s, dict(enumerate(start)))
    u, v, loss = dense(r, s, start, 5)
    np.testing.assert_allclose(found.users, u, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.items, v, rtol=1e-9, atol=1e-11)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    losses = [e["loss"] for e in found.log]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("alpha", [None, 2.5])
def test_ranks_and_restarts_do_not_matter(alpha: float | None) -> None:
    r, s = ratings(), settings(alpha)
    alone = fit_als(Solo(), r, USERS, ITEMS, s)
    for ranks in (2, 4):
        answers, shared = run_gang(ranks, lambda g: fit_als(g, r, USERS, ITEMS, s))
        for a in answers:
            assert a.users.tobytes() == alone.users.tobytes() and a.items.tobytes() == alone.items.tobytes()
            assert a.log == alone.log
        again, _ = run_gang(ranks, lambda g: fit_als(g, r, USERS, ITEMS, s), shared["saved"])
        assert again[0].items.tobytes() == alone.items.tobytes() and again[0].log == alone.log


@pytest.fixture(scope="module")
def rated(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ratings: users are numbers, items are texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path_factory.mktemp("rated") / "r.parquet"
    r = ratings()
    table = pa.table({"who": r.users, "what": [f"i{n:02d}" for n in r.items.tolist()], "stars": r.values})
    pq.write_table(table, path, row_group_size=200)
    session.execute(f"CREATE TEMPORARY VIEW rated AS SELECT * FROM '{path}'")
    session.execute(
        """CREATE MODEL rec OPTIONS(model_type = 'matrix_factorization', user_col = 'who', item_col = 'what',
           rating_col = 'stars', num_factors = 4, l2_reg = 0.05, seed = 7) AS SELECT who, what, stars FROM rated"""
    )
    return path


def test_statements(sql: Sql, rated: Path) -> None:
    r = ratings()
    found = fit_als(Solo(), r, USERS, ITEMS, settings(max_iterations=10))
    scores = found.users @ found.items.T
    rows = sql("SELECT predicted_stars, who, what, stars FROM ML.PREDICT(MODEL rec, TABLE rated)")
    assert len(rows) == r.count
    for said, who, what, _ in rows:
        assert said == pytest.approx(scores[who, int(what[1:])], rel=1e-9)
    (error,) = sql("SELECT mean_squared_error FROM ML.EVALUATE(MODEL rec, TABLE rated)")[0]
    assert error == pytest.approx(found.error, rel=1e-9)
    best = sql(
        "SELECT * FROM ML.RECOMMEND(MODEL rec, (SELECT 3 AS who UNION ALL SELECT 5), STRUCT(4 AS top_k))"
    )
    assert [(w, i) for w, i, _ in best if w == 3] == [(3, f"i{n:02d}") for n in np.argsort(-scores[3])[:4]]
    assert len(best) == 8
    users = sql("SELECT who, what FROM ML.RECOMMEND(MODEL rec, (SELECT 'i07' AS what), STRUCT(2 AS top_k))")
    assert users == [(int(n), "i07") for n in np.argsort(-scores[:, 7])[:2]]
    assert sql("SELECT count(*), sum(predicted_stars) FROM ML.RECOMMEND(MODEL rec)") == [
        (USERS * ITEMS, pytest.approx(scores.sum(), rel=1e-9))
    ]
    ((weights,),) = sql("SELECT factor_weights.weight FROM ML.WEIGHTS(MODEL rec) WHERE feature = 'i07'")
    np.testing.assert_allclose(weights, found.items[7], rtol=1e-9)


def test_unknown_ids_have_no_rating(sql: Sql, rated: Path) -> None:
    assert sql(
        """SELECT ml_predict('rec', who => w, what => i) IS NULL
           FROM VALUES (3, 'i07'), (3, 'never'), (-1, 'i07'), (NULL, 'i07'), (3, NULL) AS v(w, i)"""
    ) == [(False,), (True,), (True,), (True,), (True,)]
    assert sql("SELECT * FROM ML.RECOMMEND(MODEL rec, (SELECT 12345 AS who))") == []
    assert sql("SELECT mean_squared_error FROM ML.EVALUATE(MODEL rec, (SELECT -1 AS who, 'i07' AS what, 1 AS stars))"
               ) == [(None,)]  # fmt: skip


def test_it_replays_and_goes_on(sql: Sql, session: Session, rated: Path) -> None:
    (text,) = sql("SHOW CREATE MODEL rec")[0]
    sha = [r[1] for r in sql("DESCRIBE MODEL rec") if r[0] == "parameter_sha256"]
    sql(text.replace("OPTIONS (", "OPTIONS (num_workers = 1, "))
    assert [r[1] for r in sql("DESCRIBE MODEL rec") if r[0] == "parameter_sha256"] == sha
    losses = [r[0] for r in sql("SELECT loss FROM ML.TRAINING_INFO(MODEL rec)")]
    sql(text.replace("OPTIONS (", "OPTIONS (warm_start = TRUE, "))
    assert sql("SELECT loss FROM ML.TRAINING_INFO(MODEL rec) WHERE iteration = 1")[0][0] < losses[-1]


def test_implicit_statement(sql: Sql, rated: Path) -> None:
    sql("""CREATE MODEL seen OPTIONS(model_type = 'matrix_factorization', feedback_type = 'implicit', rank = 3,
           userCol = 'who', itemCol = 'what', ratingCol = 'n', alpha = 2.0, regParam = 0.1)
           AS SELECT who, what, count(*) AS n FROM rated GROUP BY who, what""")
    rows = sql("""SELECT avg(predicted_n_confidence) FROM ML.RECOMMEND(MODEL seen) AS p
                  LEFT SEMI JOIN rated AS r ON p.who = r.who AND p.what = r.what""")
    others = sql("""SELECT avg(predicted_n_confidence) FROM ML.RECOMMEND(MODEL seen) AS p
                    LEFT ANTI JOIN rated AS r ON p.who = r.who AND p.what = r.what""")
    assert rows[0][0] > 2 * others[0][0]


BAD = [
    ("", "SELECT who, what, stars, 1 AS more FROM rated", "UNSUPPORTED_FEATURE_TYPE", "user_col"),
    ("", "SELECT who, stars FROM rated", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "item_col"),
    ("", "SELECT double(who) AS who, what, stars FROM rated", "UNSUPPORTED_FEATURE_TYPE", "CAST"),
    ("", "SELECT who, what, 'x' AS stars FROM rated", "INVALID_LABEL_TYPE", None),
    ("", "SELECT who, what FROM rated", "LABEL_COLUMN_NOT_FOUND", None),
    ("", "SELECT nullif(who, 1) AS who, what, stars FROM rated", "NULL_IDS", "IS NOT NULL"),
    ("", "SELECT who, what, if(who = 1, NULL, stars) AS stars FROM rated", "INVALID_LABELS", "IS NOT NULL"),
    ("", "SELECT who, what, stars FROM rated WHERE false", "NO_TRAINING_ROWS", None),
    ("l2_reg = 0, ", "SELECT who, what, stars FROM rated", "INVALID_MODEL_OPTION_COMBINATION", None),
    ("label = 'who', ", "SELECT who, what, stars FROM rated", "INVALID_MODEL_OPTION_COMBINATION", "rating_col"),
    ("feedback_type = 'implicit', ", "SELECT who, what, -1 AS stars FROM rated", "INVALID_LABELS", "implicit"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "query", "condition", "hint"), BAD)
def test_errors(sql: Sql, rated: Path, option: str, query: str, condition: str, hint: str | None) -> None:
    with pytest.raises(Error) as e:
        sql(f"""CREATE MODEL bad OPTIONS({option}model_type = 'matrix_factorization', user_col = 'who',
                item_col = 'what', rating_col = 'stars') AS {query}""")
    assert e.value.condition == condition
    assert hint is None or hint in (e.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM ML.RECOMMEND(MODEL rec, (SELECT 1 AS x))",
        "SELECT * FROM ML.RECOMMEND(MODEL rec, (SELECT array(1) AS who))",
        "SELECT * FROM ML.RECOMMEND(MODEL rec, STRUCT(0 AS top_k))",
        "SELECT * FROM ML.RECOMMEND(MODEL rec, TABLE rated, STRUCT(2 AS top_k))",
    ],
)
def test_bad_recommendations(sql: Sql, rated: Path, text: str) -> None:
    with pytest.raises(Error) as e:
        sql(text)
    assert str(e.value.condition).startswith(("MODEL_INPUT", "INVALID_MODEL_FUNCTION"))
