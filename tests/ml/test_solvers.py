"""The core models against scikit-learn at the same objective, and the same bits for any number of ranks."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.ml.blocks import Block, Dense, Sparse, beside
from sqlshell.ml.gang import Solo
from sqlshell.ml.solvers.bayes import fit_bernoulli, fit_categorical, fit_gaussian, fit_multinomial
from sqlshell.ml.solvers.common import Rows, moments
from sqlshell.ml.solvers.distributions import normal_two_sided, t_two_sided
from sqlshell.ml.solvers.kmeans import fit_kmeans
from sqlshell.ml.solvers.linear import Singular, fit_linear
from sqlshell.ml.solvers.logistic import Options, fit_logistic
from sqlshell.ml.solvers.pca import fit_pca
from tests.ml.gangs import run_gang

if TYPE_CHECKING:
    from collections.abc import Callable

PARTITIONS = 7
RNG = np.random.default_rng(5)
X = RNG.normal(size=(3000, 6)) * [1, 5, 0.2, 1, 30, 2] + [0, 3, 10, -4, 100, 0]
NOISE = RNG.normal(size=3000)
LINE = X @ [1.0, -0.3, 2.0, 0.0, 0.01, 0.5] + 3 + NOISE
BINARY = (LINE - LINE.mean() + 2 * NOISE > 0).astype(float)
THREE = np.digitize(LINE + NOISE, np.quantile(LINE, [0.3, 0.7])).astype(float)


def rows(x: Any, y: Any, gang: Any = None, weight: Any = None, parts: int = PARTITIONS) -> Rows:
    """`x` cut into partitions, dealt to the gang's ranks in contiguous runs."""
    gang = gang or Solo()
    edges = np.linspace(0, x.shape[0], parts + 1).astype(int)
    size = -(-parts // gang.world_size)
    blocks = []
    for p in range(parts):
        if p // size != gang.rank:
            continue
        keep = np.zeros(x.shape[0], dtype=bool)
        keep[edges[p] : edges[p + 1]] = True
        matrix = x.take(keep) if isinstance(x, Sparse) else Dense(np.ascontiguousarray(x[keep]))
        blocks.append(Block(p, matrix, y[keep], None if weight is None else weight[keep]))
    return Rows(gang, blocks, x.shape[1])


def scaled() -> Any:
    return (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)


def unscaled(c: Any) -> Any:
    return c / X.std(axis=0, ddof=1)


def sparse(dense: Any) -> Sparse:
    at_row, at = np.nonzero(dense)
    starts = np.concatenate(([0], np.cumsum(np.bincount(at_row, minlength=dense.shape[0]))))
    return Sparse(starts, at, dense[at_row, at], dense.shape[1])


def close(a: Any, b: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_ridge_equals_scikit_learn() -> None:
    from sklearn.linear_model import LinearRegression, Ridge

    plain = fit_linear(rows(X, LINE))
    peer = LinearRegression().fit(X, LINE)
    close(plain.coefficients, peer.coef_)
    close(plain.intercept, peer.intercept_)
    ridge = fit_linear(rows(X, LINE), l2=0.1)
    close(ridge.coefficients, unscaled(Ridge(alpha=0.1 * len(X)).fit(scaled(), LINE).coef_))
    raw = fit_linear(rows(X, LINE), l2=0.1, standardize=False, intercept=False)
    close(raw.coefficients, Ridge(alpha=0.1 * len(X), fit_intercept=False).fit(X, LINE).coef_)


def test_weights_count_rows() -> None:
    from sklearn.linear_model import Ridge

    weight = RNG.integers(1, 4, len(X)).astype(float)
    found = fit_linear(rows(X, LINE, weight=weight), l2=0.1, standardize=False)
    peer = Ridge(alpha=0.1 * weight.sum(), solver="cholesky").fit(X, LINE, sample_weight=weight)
    close(found.coefficients, peer.coef_)


@pytest.mark.parametrize(("l1", "l2"), [(0.05, 0.0), (0.1, 0.2), (0.9, 0.01)])
def test_elastic_net_equals_scikit_learn(l1: float, l2: float) -> None:
    from sklearn.linear_model import ElasticNet

    found = fit_linear(rows(X, LINE), l1=l1, l2=l2)
    peer = ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), tol=1e-14, max_iter=100_000).fit(scaled(), LINE)
    close(found.coefficients, unscaled(peer.coef_))
    assert ((found.coefficients == 0) == (peer.coef_ == 0)).all()


def test_linear_p_values_equal_textbook() -> None:
    from scipy import stats

    found = fit_linear(rows(X, LINE), p_values=True).statistics
    assert found is not None
    design = np.column_stack([X, np.ones(len(X))])
    solution, left, *_ = np.linalg.lstsq(design, LINE, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * left[0] / (len(X) - 7))
    close(found["standard_error"], errors)
    close(found["p_value"], 2 * stats.t.sf(np.abs(solution / errors), len(X) - 7))


def test_tail_probabilities_equal_scipy() -> None:
    from scipy import stats

    for t in (0.0, 0.1, 1.0, 2.5, 8.0, 40.0):
        close(normal_two_sided(t), 2 * stats.norm.sf(t), 1e-12)
        for freedom in (1, 2, 7.5, 100, 1e6):
            close(t_two_sided(t, freedom), 2 * stats.t.sf(t, freedom), 1e-9)


def test_collinear_features_are_named() -> None:
    with pytest.raises(Singular) as e:
        fit_linear(rows(np.column_stack([X, X[:, 0] - X[:, 2]]), LINE))
    assert e.value.columns == [6]
    with pytest.raises(Singular) as e:
        fit_logistic(rows(np.column_stack([X, X[:, 0] - X[:, 2]]), BINARY), 2, Options())
    assert e.value.columns == [6]


def test_constant_features_weigh_nothing() -> None:
    wide = np.column_stack([X, np.full(len(X), 7.0)])
    close(fit_linear(rows(wide, LINE)).coefficients, [*fit_linear(rows(X, LINE)).coefficients, 0.0])
    with_constant = fit_logistic(rows(wide, BINARY), 2, Options()).coefficients
    close(with_constant, np.append(fit_logistic(rows(X, BINARY), 2, Options()).coefficients, [[0.0]], axis=1))


@pytest.mark.parametrize("strategy", ["newton", "lbfgs"])
def test_logistic_equals_scikit_learn(strategy: str) -> None:
    from sklearn.linear_model import LogisticRegression

    l2 = 1e-3
    peer = LogisticRegression(C=1 / (len(X) * l2), solver="newton-cholesky", tol=1e-13).fit(scaled(), BINARY)
    options = Options(l2=l2, strategy=strategy, tolerance=1e-6 if strategy == "newton" else 1e-12,
                      max_iterations=500)  # fmt: skip
    found = fit_logistic(rows(X, BINARY), 2, options)
    close(found.coefficients, unscaled(peer.coef_), 1e-9)
    close(found.intercepts, peer.intercept_ - found.coefficients @ X.mean(axis=0), 1e-8)
    assert found.converged


@pytest.mark.parametrize("strategy", ["newton", "lbfgs"])
@pytest.mark.parametrize("l2", [1e-2, 0.0])
def test_multinomial_equals_scikit_learn(strategy: str, l2: float) -> None:
    from sklearn.linear_model import LogisticRegression

    c = 1 / (len(X) * l2) if l2 else np.inf
    peer = LogisticRegression(C=c, solver="newton-cg", tol=1e-11, max_iter=1000).fit(scaled(), THREE)
    options = Options(l2=l2, strategy=strategy, max_iterations=500,
                      tolerance=1e-6 if strategy == "newton" else 1e-11)  # fmt: skip
    found = fit_logistic(rows(X, THREE), 3, options)
    wanted = unscaled(peer.coef_ - peer.coef_.mean(axis=0))
    close(found.coefficients, wanted, 1e-9 if l2 else 1e-7)
    assert found.converged


def test_l1_logistic_equals_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    l1 = 0.02
    peer = LogisticRegression(C=1 / (len(X) * l1), l1_ratio=1, solver="saga", tol=1e-12, max_iter=100_000)
    wanted = peer.fit(scaled(), BINARY).coef_
    found = fit_logistic(rows(X, BINARY), 2, Options(l1=l1))
    close(found.coefficients, unscaled(wanted), 1e-8)
    assert ((found.coefficients == 0) == (wanted == 0)).all()
    assert (found.coefficients == 0).any()
    wide = fit_logistic(
        rows(X, BINARY), 2, Options(l1=l1, strategy="lbfgs", tolerance=1e-11, max_iterations=500)
    )
    close(wide.coefficients, found.coefficients, 1e-8)
    assert ((wide.coefficients == 0) == (wanted == 0)).all()


def test_logistic_p_values() -> None:
    found = fit_logistic(rows(X, BINARY), 2, Options(p_values=True))
    assert found.statistics is not None
    design = np.column_stack([X, np.ones(len(X))])
    chance = 1 / (1 + np.exp(-(X @ found.coefficients[0] + found.intercepts[0])))
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * (chance * (1 - chance))[:, None]))))
    close(found.statistics["standard_error"], errors, 1e-7)


def test_sparse_rows_give_the_dense_model() -> None:
    dense = X * (RNG.random(X.shape) < 0.3)
    y = (dense.sum(axis=1) > np.median(dense.sum(axis=1))).astype(float)
    a = fit_logistic(rows(dense, y), 2, Options(l2=0.01))
    b = fit_logistic(
        rows(sparse(dense), y), 2, Options(l2=0.01, strategy="lbfgs", tolerance=1e-12, max_iterations=999)
    )
    close(a.coefficients, b.coefficients, 1e-8)
    close(a.intercepts, b.intercepts, 1e-8)
    m, n = moments(rows(dense, y)), moments(rows(sparse(dense), y))
    close(m.std, n.std)
    joined = beside([sparse(dense), Dense(X)])
    assert isinstance(joined, Sparse)
    close(joined.dense(), np.column_stack([dense, X]))


def test_kmeans_equals_scikit_learn() -> None:
    from sklearn.cluster import KMeans

    start = X[:4]
    peer = KMeans(4, init=start, n_init=1, max_iter=15, tol=0, algorithm="lloyd").fit(X)
    found = fit_kmeans(rows(X, BINARY), 4, start=start, max_iterations=15, tolerance=0, standardize=False)
    close(found.centroids, peer.cluster_centers_)
    close(found.loss * len(X), peer.inertia_)
    auto = fit_kmeans(rows(X, BINARY), 4, standardize=False, max_iterations=50)
    assert auto.loss < 1.2 * KMeans(4, n_init=10, random_state=0).fit(X).inertia_ / len(X)
    assert auto.counts.sum() == len(X)


def test_pca_equals_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    peer = PCA(3).fit(scaled())
    found = fit_pca(rows(X, LINE), 3)
    close(found.components, peer.components_)
    close(found.variance, peer.explained_variance_)
    close(found.ratio, peer.explained_variance_ratio_)
    assert len(fit_pca(rows(X, LINE), ratio=0.5).ratio) == int(np.searchsorted(np.cumsum(
        PCA().fit(scaled()).explained_variance_ratio_), 0.5) + 1)  # fmt: skip


def test_naive_bayes_equals_scikit_learn() -> None:
    from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB

    gaussian, peer = fit_gaussian(rows(X, THREE), 3), GaussianNB().fit(X, THREE)
    close(gaussian.mean, peer.theta_)
    close(gaussian.variance, peer.var_)
    close(np.exp(gaussian.prior), peer.class_prior_)
    counts = RNG.poisson(1.0, X.shape).astype(float)
    close(fit_multinomial(rows(sparse(counts), THREE), 3).log_probability,
          MultinomialNB().fit(counts, THREE).feature_log_prob_)  # fmt: skip
    bernoulli = fit_bernoulli(rows(counts, THREE), 3)
    close(bernoulli.log_probability, BernoulliNB(binarize=0.0).fit(counts, THREE).feature_log_prob_)
    codes = RNG.integers(0, 4, (len(X), 2))
    hot = np.concatenate([np.eye(4)[codes[:, j]] for j in range(2)], axis=1)
    found = fit_categorical(rows(hot, THREE), 3, [4, 4]).log_probability
    wanted = CategoricalNB().fit(codes, THREE)
    close(found, np.concatenate(wanted.feature_log_prob_, axis=1))


MODELS: dict[str, Callable[[Any], Any]] = {
    "ridge": lambda g: fit_linear(rows(X, LINE, g), l2=0.01),
    "lasso": lambda g: fit_linear(rows(X, LINE, g), l1=0.1),
    "newton": lambda g: fit_logistic(rows(X, BINARY, g), 2, Options(l2=1e-3)),
    "multinomial": lambda g: fit_logistic(rows(X, THREE, g), 3, Options(l2=1e-3)),
    "lbfgs": lambda g: fit_logistic(rows(X, THREE, g), 3, Options(l2=1e-3, strategy="lbfgs")),
    "l1": lambda g: fit_logistic(rows(X, BINARY, g), 2, Options(l1=1e-2)),
    "kmeans": lambda g: fit_kmeans(rows(X, BINARY, g), 5, seed=3),
    "pca": lambda g: fit_pca(rows(X, BINARY, g), 4),
    "bayes": lambda g: fit_gaussian(rows(X, THREE, g), 3),
}


def bits(fit: Any) -> bytes:
    parts = [getattr(fit, f.name) for f in fields(fit) if f.name not in ("log", "statistics", "moments")]
    return b"".join(np.asarray(p, dtype=float).tobytes() for p in parts)


@pytest.mark.parametrize("name", MODELS)
def test_same_bits_for_any_number_of_ranks(name: str) -> None:
    alone = bits(MODELS[name](Solo()))
    for world_size in (2, 4):
        for answer in run_gang(world_size, MODELS[name])[0]:
            assert bits(answer) == alone


@pytest.mark.parametrize("name", ["newton", "lbfgs", "kmeans"])
def test_a_restarted_gang_goes_on_to_the_same_bits(name: str) -> None:
    fits: dict[str, Callable[[Any], Any]] = {
        "newton": lambda g: fit_logistic(rows(X, BINARY, g), 2, Options(l2=1e-3, checkpoint_interval=2)),
        "lbfgs": lambda g: fit_logistic(
            rows(X, THREE, g), 3, Options(l2=1e-3, strategy="lbfgs", checkpoint_interval=3)
        ),
        "kmeans": lambda g: fit_kmeans(rows(X, BINARY, g), 5, checkpoint_interval=4),
    }
    first, shared = run_gang(2, fits[name])
    again, _ = run_gang(2, fits[name], restored=shared["saved"])
    assert bits(again[0]) == bits(first[0])
    assert len(again[0].log) == len(first[0].log)
