"""Golden values of comparisons: python compare.py > compare.json

Jensen-Shannon distances from SciPy; linear CKA in NumPy in its other form, from features instead of Gram matrices:
|Y'X|^2 / (|X'X| |Y'Y|), Frobenius norms, columns centred. Tokens follow from their place by a recurrence that the
test repeats, in 64ths, which binary16 holds exactly.
"""
import json
import sys

import numpy as np
import scipy
from scipy.spatial.distance import jensenshannon

rng = np.random.default_rng(11)
pairs = []
for n in (2, 5, 16):
    p, q = rng.random(n), rng.random(n)
    p[0] = 0
    pairs.append(dict(p=p.tolist(), q=q.tolist(), distance=float(jensenshannon(p, q, base=2))))
pairs.append(dict(p=[1, 0, 0], q=[0, 2, 2], distance=float(jensenshannon([1, 0, 0], [0, 2, 2], base=2))))


def tokens(seed, images, width):
    """[images, width] of token numbers."""
    state, out = seed, np.empty(images * width)
    for i in range(images * width):
        state = (state * 1103515245 + 12345) % 2**31
        out[i] = ((state >> 16) % 257 - 128) / 64
    return out.reshape(images, width)


def cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    norm = np.linalg.norm
    return float(norm(y.T @ x) ** 2 / (norm(x.T @ x) * norm(y.T @ y)))


images, layers = 40, []
for layer, width in enumerate((5, 12)):
    a = tokens(100 + layer, images, 65 * width)
    b = tokens(200 + layer, images, 65 * width)
    b[:, ::2] = a[:, ::2] + np.round(b[:, ::2]) / 64  # half of the columns nearly shared
    layers.append(dict(width=width, cka=cka(a, b)))

json.dump(dict(made_with=f"numpy {np.__version__}, scipy {scipy.__version__}", pairs=pairs, images=images, layers=layers), sys.stdout, indent=1)
