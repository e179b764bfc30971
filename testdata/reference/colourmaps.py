"""Writes analyze/draw/colourmaps.txt: the 256 rows of the colour maps that plates use.

Usage: python colourmaps.py OUT, with matplotlib 3.10.0.

viridis, inferno and cividis are CC0 (Nathaniel Smith, Stefan van der Walt, Jamie Nunez and others).
coolwarm is Kenneth Moreland's, public domain. PuOr, Reds and RdBu are ColorBrewer's: Apache-style licence,
Copyright (c) 2002 Cynthia Brewer, Mark Harrower, and The Pennsylvania State University. All as matplotlib
(BSD-compatible licence) interpolates them to 256 rows. RdBu_r is RdBu from its other end.
"""
import sys

import matplotlib
import numpy as np
from matplotlib import colormaps

NAMES = ["viridis", "cividis", "inferno", "coolwarm", "PuOr", "Reds", "RdBu_r"]

with open(sys.argv[1], "w") as f:
    f.write("# 256 rows a colour map as matplotlib %s samples them; made by testdata/reference/colourmaps.py.\n" % matplotlib.__version__)
    f.write("# viridis, cividis, inferno: CC0. coolwarm: Kenneth Moreland, public domain. PuOr, Reds, RdBu_r: ColorBrewer,\n")
    f.write("# Copyright (c) 2002 Cynthia Brewer, Mark Harrower, and The Pennsylvania State University (Apache-style licence).\n")
    for name in NAMES:
        f.write("map %s\n" % name)
        rows = np.round(255 * colormaps[name](range(256))[:, :3]).astype(int)  # bytes=True would cut, not round
        for i in range(0, 256, 16):
            f.write(" ".join("%02x%02x%02x" % tuple(r) for r in rows[i : i + 16]) + "\n")
