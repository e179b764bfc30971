"""Golden values of internal/stats, made with SciPy: python stats.py > stats.json (NumPy 2, SciPy 1)."""
import json
import sys

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20261125)


def floats(x):
    return [None if not np.isfinite(v) else float(v) for v in np.ravel(x)]


pairs = []
for name, n in [("smooth", 50), ("ties", 60), ("few", 5), ("two", 2), ("many", 300)]:
    x = rng.normal(size=n)
    y = 0.4 * x + rng.normal(size=n) + 3
    if name == "ties":
        x, y = np.round(x), np.round(y * 2) / 2
    line = stats.linregress(x, y)
    pairs.append(dict(
        name=name, x=floats(x), y=floats(y),
        r2=float(1 - np.sum((y - x) ** 2) / np.sum((y - y.mean()) ** 2)),
        pearson=float(stats.pearsonr(x, y)[0]), pearson_p=float(stats.pearsonr(x, y)[1]) if n > 2 else None,
        spearman=float(stats.spearmanr(x, y)[0]), kendall=float(stats.kendalltau(x, y)[0]),
        slope=float(line.slope), intercept=float(line.intercept), rank_x=floats(stats.rankdata(x)),
    ))

x = rng.normal(size=41) * 2 + 1
quantiles = [0, 0.025, 0.25, 0.5, 0.9, 0.975, 1]
lo, hi = stats.t.interval(0.95, len(x) - 1, loc=x.mean(), scale=stats.sem(x))
p = np.concatenate([rng.uniform(size=30), rng.uniform(size=10) * 1e-3, [0.5, 0.5]])
df = [1, 2, 7, 30]
json.dump(dict(
    made_with=f"numpy {np.__version__}, scipy {scipy.__version__}",
    pairs=pairs,
    summary=dict(x=floats(x), mean=float(x.mean()), sd=float(x.std(ddof=1)), at=quantiles, quantiles=floats(np.quantile(x, quantiles)), t_lo=float(lo), t_hi=float(hi)),
    fdr=dict(p=floats(p), q=floats(stats.false_discovery_control(p, method="bh"))),
    t_quantile=dict(p=0.975, df=df, t=floats(stats.t.ppf(0.975, df))),
    normal_quantile=dict(p=[0.5, 0.9, 0.975, 0.999], z=floats(stats.norm.ppf([0.5, 0.9, 0.975, 0.999]))),
), sys.stdout, indent=1)
print()
