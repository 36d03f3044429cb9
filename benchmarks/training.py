"""Training and scoring beside the peers: `python -m benchmarks.training [--only logistic,kmeans] [--rows 1000000]`.

Everything runs from Parquet to the fitted model (or to the predictions as an Arrow table), in one run, the contestants
taking turns; the best of --rounds counts. Peers are scikit-learn and xgboost with all cores, at the same objective.
Our time is that of the whole statement: split, training, metrics on the rows held out, the stored version.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import sqlshell

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES = [f"x{i}" for i in range(20)]
CLUSTERS, TERMS = 8, 1 << 18
L2, L1 = 0.001, 0.002
ROW_GROUP = 122_880

Case = tuple[str, "Callable[[], Any]", "dict[str, Callable[[], Any]]"]


def numbers(folder: Path, rows: int) -> Path:
    """Twenty correlated features, a class with noise and a number."""
    rng = np.random.default_rng(7)
    mixed = rng.normal(size=(rows, 20)) @ (np.eye(20) + 0.2 * rng.normal(size=(20, 20)))
    x = mixed * rng.uniform(0.5, 20, 20) + rng.uniform(-5, 5, 20)
    score = ((x - x.mean(axis=0)) / x.std(axis=0)) @ (rng.normal(size=20) * (rng.random(20) < 0.6))
    frame = pl.DataFrame({n: x[:, i] for i, n in enumerate(FEATURES)}).with_columns(
        pl.Series("c", (score + rng.logistic(size=rows) > 0).astype(np.int64)),
        pl.Series("y", score + rng.normal(size=rows)),
    )
    return _written(frame, folder / f"numbers-{rows}.parquet")


def clusters(folder: Path, rows: int) -> Path:
    """Eight overlapping clouds."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(rows, 20)) + 1.5 * rng.normal(size=(CLUSTERS, 20))[rng.integers(CLUSTERS, size=rows)]
    return _written(
        pl.DataFrame({n: x[:, i] for i, n in enumerate(FEATURES)}), folder / f"clusters-{rows}.parquet"
    )


def documents(folder: Path, rows: int) -> Path:
    """Twenty words each from a vocabulary with few common words; the class depends on which."""
    rng = np.random.default_rng(9)
    words = np.minimum((rng.pareto(1.1, size=(rows, 20)) * 40).astype(np.int64), 59_999)
    weight = rng.normal(size=60_000)
    c = weight[words].sum(axis=1) + rng.logistic(size=rows) * 2 > 0
    text = [" ".join(f"w{w}" for w in row) for row in words.tolist()]
    return _written(
        pl.DataFrame({"body": text, "c": c.astype(np.int64)}), folder / f"documents-{rows}.parquet"
    )


def _written(frame: pl.DataFrame, path: Path) -> Path:
    if not path.exists():
        frame.write_parquet(path, row_group_size=ROW_GROUP)
    return path


def train(con: Any, name: str, source: str, **options: Any) -> Callable[[], None]:
    """CREATE MODEL of all columns of a query."""
    listed = ", ".join(f"{k} = {_literal(v)}" for k, v in options.items())

    def run() -> None:
        con.execute(f"CREATE OR REPLACE MODEL {name} OPTIONS ({listed}) AS {source}").close()

    return run


def _literal(value: Any) -> str:
    return str(value).upper() if isinstance(value, bool) else repr(value)


def matrix(path: Path, *columns: str) -> tuple[Any, ...]:
    """A file as scikit-learn takes it: the features, then other columns."""
    frame = pl.read_parquet(path, columns=[*FEATURES, *columns])
    return (frame.select(FEATURES).to_numpy(order="c"), *(frame[c].to_numpy() for c in columns))


def logistic(con: Any, folder: Path, rows: int) -> Case:
    path = numbers(folder, rows)
    select = f"SELECT {', '.join(FEATURES)}, c FROM '{path}'"

    def peer(solver: str, tolerance: float) -> Callable[[], Any]:
        def run() -> Any:
            from sklearn.linear_model import LogisticRegression
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler

            x, c = matrix(path, "c")
            model = LogisticRegression(C=1 / (L2 * len(c)), solver=solver, tol=tolerance, max_iter=1000)
            return make_pipeline(StandardScaler(), model).fit(x, c)

        return run

    ours = train(con, "logistic", select, model_type="logistic_reg", label="c", l2_reg=L2)
    return "logistic", ours, {
        "scikit-learn newton-cholesky": peer("newton-cholesky", 1e-6), "scikit-learn lbfgs": peer("lbfgs", 1e-6),
    }  # fmt: skip


def sparse_logistic(con: Any, folder: Path, rows: int) -> Case:
    path = numbers(folder, rows)
    select = f"SELECT {', '.join(FEATURES)}, c FROM '{path}'"

    def saga() -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        x, c = matrix(path, "c")
        model = LogisticRegression(l1_ratio=1.0, C=1 / (L1 * len(c)), solver="saga", tol=1e-6, max_iter=1000)
        return model.fit(StandardScaler().fit_transform(x), c)

    ours = train(con, "sparse", select, model_type="logistic_reg", label="c", l1_reg=L1)
    return "L1 logistic", ours, {"scikit-learn saga": saga}


def kmeans(con: Any, folder: Path, rows: int) -> Case:
    path = clusters(folder, rows)

    def peer() -> Any:
        from sklearn.cluster import KMeans
        from sklearn.preprocessing import StandardScaler

        (x,) = matrix(path)
        return KMeans(CLUSTERS, n_init=1, max_iter=20, tol=0, random_state=0).fit(
            StandardScaler().fit_transform(x)
        )

    ours = train(
        con, "clusters", f"SELECT * FROM '{path}'", model_type="kmeans", num_clusters=CLUSTERS, tol=0.0
    )
    return "k-means, 20 iterations", ours, {"scikit-learn": peer}


def trees(con: Any, folder: Path, rows: int) -> Case:
    path = numbers(folder, rows)

    def peer() -> Any:
        import xgboost as xgb

        x, c = matrix(path, "c")
        data = xgb.QuantileDMatrix(x, c, max_bin=256, nthread=os.cpu_count())
        settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": os.cpu_count(), "eta": 0.3}
        return xgb.train(settings, data, 50)

    ours = train(
        con, "trees", f"SELECT {', '.join(FEATURES)}, c FROM '{path}'", model_type="boosted_tree_classifier",
        label="c", max_iterations=50, max_tree_depth=6,
    )  # fmt: skip
    return "boosted trees, 50 of depth 6", ours, {"xgboost": peer}


def text(con: Any, folder: Path, rows: int) -> Case:
    count = rows // 5
    path = documents(folder, count)
    settings = (
        f"model_type = 'logistic_reg', label = 'c', l2_reg = {L2}, standardize_features = FALSE, tol = 1e-6"
    )

    def ours() -> None:
        con.execute(
            f"CREATE OR REPLACE MODEL words TRANSFORM (ML.TF_IDF(ML.TOKENIZE(body), {TERMS}) OVER () AS words, c)"
            f" OPTIONS ({settings}) AS SELECT body, c FROM '{path}'"
        ).close()

    def peer() -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        frame = pl.read_parquet(path)
        model = LogisticRegression(C=1 / (L2 * count), tol=1e-6, max_iter=1000)
        counts = HashingVectorizer(n_features=TERMS, norm=None, alternate_sign=False)
        return make_pipeline(counts, TfidfTransformer(norm=None), model).fit(
            frame["body"].to_list(), frame["c"].to_numpy()
        )

    return f"TF-IDF + logistic, {count} documents", ours, {"scikit-learn": peer}


def _scored(con: Any, folder: Path, rows: int) -> tuple[Path, Any]:
    """A linear model of ours, and scikit-learn's at the same rows."""
    from sklearn.linear_model import LinearRegression

    path = numbers(folder, rows)
    train(con, "line", f"SELECT {', '.join(FEATURES)}, y FROM '{path}'", model_type="linear_reg", label="y")()
    x, y = matrix(path, "y")
    return path, LinearRegression().fit(x, y)


def predict_file(con: Any, folder: Path, rows: int) -> Case:
    path, model = _scored(con, folder, rows)

    def ours() -> Any:
        cursor = con.execute(f"SELECT predicted_y FROM ML.PREDICT(MODEL line, TABLE '{path}')")
        return cursor.fetch_arrow_table()

    return "predict, linear, from Parquet", ours, {"scikit-learn": lambda: model.predict(matrix(path)[0])}


def predict_memory(con: Any, folder: Path, rows: int) -> Case:
    path, model = _scored(con, folder, rows)
    frame = pl.read_parquet(path, columns=FEATURES)
    con.execute(f"CACHE TABLE scored AS SELECT {', '.join(FEATURES)} FROM '{path}'").close()

    def ours() -> Any:
        cursor = con.execute("SELECT predicted_y FROM ML.PREDICT(MODEL line, TABLE scored)")
        return cursor.fetch_arrow_table()

    ready = frame.to_numpy(order="c")
    return "predict, linear, in memory", ours, {
        "scikit-learn from a frame": lambda: model.predict(frame.to_numpy(order="c")),
        "scikit-learn from a ready matrix": lambda: model.predict(ready),
    }  # fmt: skip


def barrier(con: Any, folder: Path, rows: int) -> Case:
    def ours() -> Any:
        return con.barrier_map("SELECT 1 AS x", "benchmarks.training:meet", 2)[0]

    return "1,000 barriers of 2 ranks (with the statement)", ours, {}


def meet(ctx: Any, partitions: Any) -> float:
    """Seconds of a barrier."""
    start = time.perf_counter()
    for _ in range(1000):
        ctx.barrier()
    return (time.perf_counter() - start) / 1000


CASES: dict[str, Callable[[Any, Path, int], Case]] = {
    "logistic": logistic,
    "l1": sparse_logistic,
    "kmeans": kmeans,
    "trees": trees,
    "text": text,
    "predict": predict_file,
    "memory": predict_memory,
    "barrier": barrier,
}
SLOW = {"scikit-learn saga": 1}
"""Peers that run less often than --rounds."""


def compare(case: Case, rounds: int) -> None:
    """Our line, then one for each peer: seconds and how often our time fits into them."""
    name, ours, peers = case
    runs = {"sqlshell": ours, **peers}
    first = _seconds(ours)  # workers, caches and imports warm up
    best = dict.fromkeys(runs, float("inf"))
    missing = set()
    for n in range(rounds):
        for who, run in runs.items():
            if who in missing or n >= SLOW.get(who, rounds):
                continue
            try:
                best[who] = min(best[who], _seconds(run))
            except ImportError:
                missing.add(who)
    print(f"{name}\n  {'sqlshell':34} {best['sqlshell']:8.3f} s   (the first time {first:.3f} s)", flush=True)
    for who in peers:
        took = (
            "not installed"
            if who in missing
            else f"{best[who]:8.3f} s   {best[who] / best['sqlshell']:6.2f}x"
        )
        print(f"  {who:34} {took}", flush=True)


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--data", default=f"{tempfile.gettempdir()}/sqlshell-training")
    args = parser.parse_args()
    folder = Path(args.data)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{args.rows} rows of 20 features, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as warehouse, sqlshell.connect(warehouse=warehouse) as con:
        for name in args.only.split(","):
            compare(CASES[name](con, folder, args.rows), args.rounds)


if __name__ == "__main__":
    main()
