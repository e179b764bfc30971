"""Golden channel clusters, by the long way that paper.md 1.8 describes: python clusters.py > clusters.json

The N x N matrix of readout similarities itself, cosine k-means on its rows from given first rows, the cosines of
the centroids with zeros on the diagonal, SciPy's Ward linkage of those rows, cut at exactly so many clusters.
"""
import json
import sys

import numpy as np
import scipy
from scipy.cluster.hierarchy import fcluster, linkage

rng = np.random.default_rng(7)
n, d, k, groups = 240, 12, 30, 6

kinds = rng.normal(size=(9, d))
w = (kinds[rng.integers(9, size=n)] * rng.uniform(0.5, 2, size=(n, 1)) + 0.25 * rng.normal(size=(n, d))).astype(np.float32)
x = w.astype(np.float64) @ w.astype(np.float64).T
seeds = np.sort(rng.permutation(n)[:k])
unit = x / np.linalg.norm(x, axis=1, keepdims=True)
centroids, labels = x[seeds], None
for iteration in range(1000):
    to = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    cosine = unit @ to.T
    new = cosine.argmax(1)
    assert len(set(new)) == k, "this case has no empty cluster"
    if labels is not None and (new == labels).all():
        break
    labels = new
    centroids = np.stack([x[labels == j].mean(0) for j in range(k)])
top = np.sort(cosine, 1)
assert (top[:, -1] - top[:, -2]).min() > 1e-6, "no near ties that float32 could turn"
to = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
s = to @ to.T
np.fill_diagonal(s, 0)
tree = linkage(s, "ward")
cut = fcluster(tree, groups, "maxclust")
assert len(set(cut)) == groups


def adjusted_rand(a, b):
    table = np.array([[np.sum((a == i) & (b == j)) for j in np.unique(b)] for i in np.unique(a)], float)
    pairs = lambda v: (v * (v - 1) / 2).sum()
    both, left, right = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    chance = left * right / (n * (n - 1) / 2)
    return (both - chance) / ((left + right) / 2 - chance)


other = rng.integers(4, size=n)
json.dump(dict(
    made_with=f"numpy {np.__version__}, scipy {scipy.__version__}",
    d=d, w=[float(v) for v in w.ravel()], seeds=[int(v) for v in seeds], labels=[int(v) for v in labels],
    groups=groups, cut=[int(v) for v in cut], clusters=[int(v) for v in cut[labels]], heights=[float(v) for v in tree[:, 2]],
    other=[int(v) for v in other], rand_other=adjusted_rand(cut[labels], other), rand_labels=adjusted_rand(cut[labels], labels),
), sys.stdout)
