"""Text from end to end: words, sparse vectors, TF-IDF, logistic regression, against scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.session import Session

READERS = Path(__file__).parent.parent.parent / "sample_data" / "readers.jsonl"
SIZE = 512


@pytest.fixture(scope="module")
def readers(session: Session) -> Session:
    session.execute(f"CREATE TEMPORARY VIEW readers AS SELECT * FROM '{READERS}'")
    session.execute(f"""
        CREATE MODEL gender TRANSFORM (
          ML.TF_IDF(ML.REMOVE_STOP_WORDS(ML.TOKENIZE(concat_ws(' ', articles))), {SIZE}) OVER () AS words, gender
        ) OPTIONS (model_type = 'logistic_reg', label = 'gender', l2_reg = 0.001, standardize_features = FALSE,
                   data_split_method = 'no_split', tol = 1e-10)
        AS SELECT articles, gender FROM readers WHERE gender IS NOT NULL""")
    return session


def test_unknown_readers_are_told_apart(readers: Session) -> None:
    query = """SELECT avg(CAST(predicted_gender = truth AS INT))
               FROM ML.PREDICT(MODEL gender, (SELECT articles, truth FROM readers WHERE gender IS NULL))"""
    (share,) = next(iter(readers.execute(query).rows()))
    assert share > 0.9


def matrix(readers: Session) -> tuple[Any, Any]:
    """Term counts and labels of the known readers."""
    rows = list(
        readers.execute(f"""
        SELECT ML.HASHING_TF(ML.REMOVE_STOP_WORDS(ML.TOKENIZE(concat_ws(' ', articles))), {SIZE}) AS v, gender
        FROM readers WHERE gender IS NOT NULL ORDER BY reader_id""").rows()
    )
    dense = np.zeros((len(rows), SIZE))
    for i, (v, _) in enumerate(rows):
        dense[i, v["indices"]] = v["values"]
    return dense, np.array([g for _, g in rows])


def test_the_model_is_scikit_learns(readers: Session) -> None:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    counts, y = matrix(readers)
    idf = (
        TfidfTransformer(norm=None, smooth_idf=True).fit(counts).idf_ - 1.0
    )  # without scikit-learn's extra 1
    peer = LogisticRegression(C=1 / (len(y) * 0.001), solver="newton-cholesky", tol=1e-12, max_iter=500)
    peer.fit(counts * idf, y)
    found = readers.execute(
        "SELECT category_weights FROM ML.WEIGHTS(MODEL gender) WHERE processed_input = 'words'"
    )
    weights = np.zeros(SIZE)
    for pair in next(iter(found.rows()))[0]:
        weights[int(pair["category"])] = pair["weight"]
    np.testing.assert_allclose(weights, peer.coef_[0], atol=1e-8)


def test_the_vocabulary_never_becomes_dense(readers: Session) -> None:
    """262,144 buckets and 300 rows would be 630 MB of doubles."""
    readers.execute("""
        CREATE OR REPLACE MODEL wide TRANSFORM (
          ML.TF_IDF(ML.TOKENIZE(concat_ws(' ', articles))) OVER () AS words, gender)
        OPTIONS (model_type = 'logistic_reg', label = 'gender', l2_reg = 0.001)
        AS SELECT articles, gender FROM readers WHERE gender IS NOT NULL""")
    rows = readers.execute(
        "SELECT ml_predict('wide', articles => articles) FROM readers WHERE gender IS NULL"
    )
    assert {g for (g,) in rows.rows()} == {"F", "M"}


def test_bayes_of_counts_is_scikit_learns(readers: Session) -> None:
    from sklearn.naive_bayes import BernoulliNB, MultinomialNB

    counts, y = matrix(readers)
    for kind, peer in (("multinomial", MultinomialNB()), ("bernoulli", BernoulliNB())):
        readers.execute(f"""
            CREATE OR REPLACE MODEL nb TRANSFORM (
              ML.HASHING_TF(ML.REMOVE_STOP_WORDS(ML.TOKENIZE(concat_ws(' ', articles))), {SIZE}) AS words, gender
            ) OPTIONS (model_type = 'naive_bayes', nb_type = '{kind}', label = 'gender', data_split_method = 'no_split')
            AS SELECT articles, gender FROM readers WHERE gender IS NOT NULL""")
        rows = readers.execute("""SELECT predicted_gender_probs[1].prob FROM ML.PREDICT(MODEL nb, (
            SELECT * FROM readers WHERE gender IS NOT NULL)) ORDER BY reader_id""")
        found = [p for (p,) in rows.rows()]
        np.testing.assert_allclose(
            found, peer.fit(counts, y).predict_proba(counts)[:, 1], rtol=1e-8, atol=1e-12
        )


FEATURES: list[tuple[str, Callable[[Any], Any]]] = [
    ("ML.STANDARD_SCALER(x)", lambda x: (x - x.mean()) / x.std(ddof=1)),
    ("ML.MIN_MAX_SCALER(x)", lambda x: (x - x.min()) / (x.max() - x.min())),
    ("ML.MAX_ABS_SCALER(x)", lambda x: x / np.abs(x).max()),
    ("ML.ROBUST_SCALER(x)", lambda x: (x - np.median(x)) / (np.quantile(x, 0.75) - np.quantile(x, 0.25))),
    ("ML.STANDARD_SCALER(ML.IMPUTER(nullif(x, x)))", lambda x: 0 * x),
]


@pytest.mark.parametrize(("feature", "wanted"), FEATURES, ids=[f for f, _ in FEATURES])
def test_scalers(session: Session, feature: str, wanted: Callable[[Any], Any]) -> None:
    session.execute(f"CREATE OR REPLACE MODEL s TRANSFORM ({feature} AS v) OPTIONS (model_type = 'transform_only') "
                    "AS SELECT x FROM t")  # fmt: skip
    x, v = zip(*session.execute("SELECT x, v FROM ML.TRANSFORM(MODEL s, TABLE t)").rows(), strict=True)
    np.testing.assert_allclose(v, wanted(np.array(x)), rtol=1e-12, atol=1e-12)
