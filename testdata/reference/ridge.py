"""Ridge regression by others, over numbers that package fit's tests and benchmark hand over.

    python ridge.py sklearn DIR     R² of every penalty by K-fold cross-validation, and the weights for the best
    python ridge.py himalaya DIR    seconds that himalaya's RidgeCV takes with its NumPy back end
    python ridge.py banded DIR      R² of himalaya's banded ridge for every mixture of kernels, at each target's best penalty

DIR holds case.json (Samples, Features, Targets, Folds, Alphas), x.f4 [Samples, Features] and y.f4 [Targets, Samples],
float32 little-endian. The answer is case.json on stdout with the fields filled. Folds are contiguous, no intercept.
For banded x.f4 is [Layers, Samples, Samples] centred kernels, Mixtures their weights, and the first Train samples are
learned from, the others scored.
"""

import json
import sys
import time

import numpy as np


def main(against, folder):
    with open(f"{folder}/case.json") as f:
        case = json.load(f)
    n, d, t = case["Samples"], case["Features"], case["Targets"]
    x = np.fromfile(f"{folder}/x.f4", "<f4").reshape(-1, n, d)
    y = np.ascontiguousarray(np.fromfile(f"{folder}/y.f4", "<f4").reshape(t, n).T)
    if against == "sklearn":
        sklearn(case, x[0].astype(np.float64), y.astype(np.float64))
    elif against == "banded":
        banded(case, x.astype(np.float64), y.astype(np.float64))
    else:
        himalaya(case, x[0], y)
    json.dump(case, sys.stdout)


def sklearn(case, x, y):
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold

    scores = np.zeros((len(case["Alphas"]), y.shape[1]))
    for train, test in KFold(case["Folds"]).split(x):
        for i, alpha in enumerate(case["Alphas"]):
            p = Ridge(alpha, fit_intercept=False, solver="cholesky").fit(x[train], y[train]).predict(x[test])
            scores[i] += r2_score(y[test], p, multioutput="raw_values") / case["Folds"]
    best = np.array(case["Alphas"])[scores.argmax(0)]
    coef = Ridge(best, fit_intercept=False, solver="cholesky").fit(x, y).coef_
    case["Scores"], case["Coef"] = scores.tolist(), coef.tolist()


def himalaya(case, x, y):
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV
    from sklearn.model_selection import KFold

    set_backend("numpy")
    start = time.perf_counter()
    RidgeCV(alphas=np.array(case["Alphas"], x.dtype), cv=KFold(case["Folds"])).fit(x, y)
    case["Seconds"] = time.perf_counter() - start


def banded(case, kernels, y):
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    set_backend("numpy")
    side = np.where(np.arange(case["Samples"]) < case["Train"], -1, 0)
    case["Scores"] = []
    for mixture in case["Mixtures"]:  # one by one: cv_scores of several are those of the best so far
        _, _, scores = solve_multiple_kernel_ridge_random_search(
            kernels, y, n_iter=np.array([mixture]), alphas=np.array(case["Alphas"]), score_func=r2_score,
            cv=PredefinedSplit(side), progress_bar=False)
        case["Scores"].append(scores[0].tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
