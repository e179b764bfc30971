#!/usr/bin/env python3
"""Linear CKA of two feature stores, layer by layer, by NumPy and pyarrow alone; beside it cortexmap's cka.csv.

    python testdata/reference/cka.py FEATURES_A FEATURES_B [cka.csv]

FEATURES_* are folders below a run's features/. The first 400 pictures that both hold, in the order of the first, are
compared as `cortexmap compare` compares them. With cka.csv the largest difference is printed, and an exit code of 1
says that it is above 1e-6.
"""
import csv
import pathlib
import sys

import numpy as np
import pyarrow.parquet as pq

MOST = 400


def layers(folder):
    return sorted(p for p in pathlib.Path(folder).iterdir() if p.name.startswith("layer="))


def tokens(layer):
    t = pq.read_table(layer, columns=["image", "index", "tokens"], partitioning=None)
    order = np.argsort(t["index"].to_numpy())
    image = [t["image"][int(i)].as_py() for i in order]
    blob = [t["tokens"][int(i)].as_py() for i in order]
    return image, blob


def gram(rows):
    x = np.stack([np.frombuffer(b, np.float16).astype(np.float64) for b in rows])
    x -= x.mean(0)
    return x @ x.T


def cka(a, b):
    (image_a, rows_a), (image_b, rows_b) = tokens(a), tokens(b)
    place = {d: k for k, d in enumerate(image_b)}
    both = [(k, place[d]) for k, d in enumerate(image_a) if d in place][:MOST]
    k, l = gram([rows_a[i] for i, _ in both]), gram([rows_b[j] for _, j in both])
    return (k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum())


def main():
    values = [cka(a, b) for a, b in zip(layers(sys.argv[1]), layers(sys.argv[2]), strict=True)]
    for layer, value in enumerate(values):
        print(f"{layer:3d} {value:.9f}")
    if len(sys.argv) < 4:
        return 0
    with open(sys.argv[3]) as f:
        ours = {int(r["layer"]): float(r["cka"]) for r in csv.DictReader(f)}
    worst = max(abs(ours[k] - v) for k, v in enumerate(values))
    print(f"largest difference from {sys.argv[3]}: {worst:.2e}")
    return int(worst > 1e-6)


if __name__ == "__main__":
    sys.exit(main())
