"""Reads the stores under internal/store/testdata/v1 as the package comment of internal/store says, with
pandas, and with polars and duckdb where they are installed, and compares the numbers with those that the Go
tests put there: python testdata/reference/read_store.py, from the repository's root. Prints what it read with."""
import glob
import importlib
import json

import numpy as np
import pandas as pd

V1 = "internal/store/testdata/v1/"

for layer, (folder, width) in enumerate([("layer=00-stem_conv", 3), ("layer=01-block_1", 8)]):
    parts = sorted(glob.glob(f"{V1}features/{folder}/part-*.parquet"))
    assert len(parts) == 2
    n = 0
    for part in parts:
        d = pd.read_parquet(part)
        x = np.stack([np.frombuffer(b, np.float16).reshape(65, -1) for b in d.tokens]).astype(np.float32)
        want = (layer * 1000 + (n + np.arange(len(d)))[:, None, None] * 100 + np.arange(65)[:, None] + np.arange(width) / 16).astype(np.float16)
        assert x.shape == (len(d), 65, width) and (x == want).all(), part
        assert (d["index"] == 2 * (n + np.arange(len(d)))).all() and all(len(i) == 32 for i in d.image)
        for name in ("polars", "duckdb"):
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            if name == "polars":
                blobs = module.read_parquet(part, hive_partitioning=False)["tokens"].to_list()
            else:
                blobs = list(module.sql(f"select tokens from '{part}'").fetchnumpy()["tokens"])
            assert (np.frombuffer(b"".join(blobs), np.float16).reshape(-1, 65, width) == x).all(), name
            print(part, "read with", name, module.__version__)
        n += len(d)
    assert n == 7

import pyarrow
import pyarrow.parquet as pq

meta = {k.decode(): v.decode() for k, v in pq.read_metadata(parts[0]).metadata.items()}
assert meta["cortexmap.shape"] == "65,8" and meta["cortexmap.layer"] == "block 1" and meta["cortexmap.version"] == "1", meta

v = pd.read_parquet(V1 + "mapping/mapping.parquet")
want = ("hemi vertex rois x y z r2 r r2_val ceiling r2_norm layer_argmax layer_expected layer_entropy depth scale "
        "local_share space_x space_y ecc_deg angle_deg cluster fitted").split()
assert list(v.columns) == want, list(v.columns)
assert list(v.hemi) == ["lh", "lh", "rh"] and list(v.vertex) == [17, 4, 0] and list(v.fitted) == [True, False, True]
assert list(v.rois[0]) == ["glasser/V1", "streams/early"] and len(v.rois[1]) == 0
assert v.r2[0] == -0.25 and v.r[0] == 0 and np.isnan(v.r2[1]) and np.isnan(v.r2_norm[0]) and v.z[0] == 3.5
assert np.array_equal(v.cluster, [0, np.nan, 3], equal_nan=True) and np.array_equal(v.layer_argmax, [0, np.nan, 1], equal_nan=True)

s = pd.read_parquet(V1 + "mapping/layers.parquet")
assert list(s.columns) == ["hemi", "vertex", "layer", "selector", "share"] and list(s.layer) == [0, 1] * 3
assert np.array_equal(s.selector, [0.75, 0.25, np.nan, np.nan, 0, 1], equal_nan=True)

w = pd.read_parquet(V1 + "mapping/weights.parquet").set_index("name")
x = np.frombuffer(w.data["local.0.weight"], np.float32).reshape(w["shape"]["local.0.weight"])
assert np.array_equal(x, [[1, 2, 3], [4, 5, 6]])
assert pq.read_metadata(V1 + "mapping/weights.parquet").metadata[b"cortexmap.readout"] == b"sum"

t = pd.read_parquet(V1 + "mapping/truth.parquet")
assert list(t.columns) == ["depth", "x", "y", "global", "sigma", "ceiling"] and list(t.depth) == [0, 0.5, 1]

info = json.load(open(V1 + "mapping/fit.json"))
assert info["curve"][0]["loss"] is None and info["scores"]["r_shuffled"] is None and info["format"] == 1

m = np.load(V1 + "matrix.npy")
assert m.dtype == np.float32 and np.array_equal(m, [[1, 2, 3], [4, 5, 6]])
print("all read with pandas", pd.__version__, "pyarrow", pyarrow.__version__, "numpy", np.__version__)
