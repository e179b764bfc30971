"""Makes the tiny files of testdata/brain and golden.json: what nibabel and numpy read in them.

usage: python brain.py      (needs numpy and nibabel; the recorded subjects' numbers are made anew where their
folder, $CORTEXMAP_SHARED or ../shared/data beside the repository, is there, and kept where it isn't; the atlases'
likewise with $CORTEXMAP_DATA, filled by get-models.py)

The files are those of an octahedron of 6 vertices, 50 mm across each half axis, with 8 outward triangles
and the values 0.5 -1.25 0 3 NaN 0.001. golden.json also holds nibabel's numbers for the real files of
testdata/demo, so that our readers are compared with them on true data.
"""
import base64, gzip, json, os, pathlib, re, zlib
import nibabel as nib, numpy as np
from nibabel import freesurfer as fs

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "brain"
DEMO = HERE.parent / "demo"
OUT.mkdir(exist_ok=True)
P = lambda n: str(OUT / n)

V = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], "f4") * 50
F = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], "i4")
S = np.array([0.5, -1.25, 0, 3, np.nan, 1e-3], "f4")

# ---- FreeSurfer
info = dict(head=np.array([2, 0, 20], "i4"), valid="1  # volume info valid", filename="vol.mgz",
            volume=np.array([256, 256, 256]), voxelsize=np.array([1.0, 1, 1]), xras=np.array([-1.0, 0, 0]),
            yras=np.array([0.0, 0, -1]), zras=np.array([0.0, 1, 0]), cras=np.array([0.0, 0, 0]))
fs.write_geometry(P("lh.octa"), V, F, create_stamp="created by brain.py", volume_info=info)
fs.write_morph_data(P("lh.octa.curv"), S)
ctab = np.array([[25, 5, 25, 0], [230, 20, 20, 0], [20, 30, 240, 0]], "i4")
fs.write_annot(P("lh.octa.annot"), np.array([0, 1, 1, 2, -1, 2]), np.c_[ctab, np.zeros(3, "i4")],
               ["unknown", "V1", "hV4"], fill_ctab=True)
with open(P("lh.octa.label"), "w") as f:
    f.write("#!ascii label  , from subject octa vox2ras=TkReg\n2\n"
            "1  -50.000  0.000  0.000 0.7500000000\n3  0.000  -50.000  0.000 0.0000000000\n")

# An annot of the old version: the count of entries is positive and entries carry no numbers.
be = lambda *x: np.array(x, ">i4").tobytes()
text = lambda s: be(len(s) + 1) + s.encode() + b"\0"
pairs = [(0, 0x190519), (1, 230 + (20 << 8) + (20 << 16)), (2, 230 + (20 << 8) + (20 << 16)), (3, 0), (4, 0), (5, 0x190519)]
with open(P("lh.octa.v1.annot"), "wb") as f:
    f.write(be(6) + b"".join(be(*p) for p in pairs) + be(1) + be(2) + text("old.ctab")
            + text("unknown") + be(25, 5, 25, 0) + text("V1") + be(230, 20, 20, 0))

# ---- GIFTI
G = nib.gifti
def gii(name, arrays, **kw):
    nib.save(G.GiftiImage(darrays=arrays, **kw), P(name))
points = lambda **kw: G.GiftiDataArray(V, "NIFTI_INTENT_POINTSET", "NIFTI_TYPE_FLOAT32", **kw)
faces = lambda **kw: G.GiftiDataArray(F, "NIFTI_INTENT_TRIANGLE", "NIFTI_TYPE_INT32", **kw)
gii("lh.octa.surf.gii", [points(), faces()])
gii("lh.octa.columns.surf.gii", [points(ordering="F"), faces(ordering="F", encoding="B64BIN")])
# nibabel always writes the machine's own order: swap the bytes by hand, and let nibabel read the result.
def big(match):
    head, data = match.groups()
    data = base64.b64encode(zlib.compress(np.frombuffer(zlib.decompress(base64.b64decode(data)), "<i4").byteswap().tobytes())).decode()
    return head.replace("LittleEndian", "BigEndian") + "<Data>\n  " + data[:40] + "\n\t" + data[40:] + "\n</Data>"
with open(P("lh.octa.surf.gii")) as f, open(P("lh.octa.big.surf.gii"), "w") as h:
    h.write(re.sub(r"(<DataArray(?:(?!<Data>).)*)<Data>(.*?)</Data>", big, f.read(), flags=re.S))
for enc, n in (("ASCII", "ascii"), ("B64BIN", "b64"), ("B64GZ", "gz")):
    gii(f"lh.octa.{n}.func.gii", [G.GiftiDataArray(S, "NIFTI_INTENT_NONE", "NIFTI_TYPE_FLOAT32", encoding=enc)])
gii("lh.octa.shape.gii", [G.GiftiDataArray(S, "NIFTI_INTENT_SHAPE", "NIFTI_TYPE_FLOAT32", meta=G.GiftiMetaData(Name="curv <& sulc>"))],
    meta=G.GiftiMetaData(AnatomicalStructurePrimary="CortexLeft"))
table = G.GiftiLabelTable()
for k, n, c in ((0, "???", (0, 0, 0, 0)), (1, "V1", (.9, .1, .1, 1)), (7, "hV4", (.1, .1, .9, 1))):
    label = G.GiftiLabel(k, *c)
    label.label = n
    table.labels.append(label)
gii("lh.octa.label.gii", [G.GiftiDataArray(np.array([0, 1, 1, 7, 0, 7], "i4"), "NIFTI_INTENT_LABEL", "NIFTI_TYPE_INT32")], labeltable=table)
with open(P("lh.octa.gz.func.gii"), "rb") as f, open(P("lh.octa.func.gii.gz"), "wb") as g:
    g.write(gzip.compress(f.read(), mtime=0))

# ---- .npy
A = np.arange(6).reshape(2, 3)
for t in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">i2", "?"):
    np.save(P(f"c_{t.replace('>', 'be').replace('?', 'bool')}.npy"), A.astype(t))
np.save(P("halves.npy"), np.array([0, -0.0, 1, -2.5, 65504, 6.1e-5, 6e-8, -3e-6, np.inf, -np.inf, np.nan], "f2"))
np.save(P("fortran_f4.npy"), np.asfortranarray(A.astype("f4")))
np.save(P("fortran_i2_3d.npy"), np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype("i2")))
np.save(P("single.npy"), np.float32(7))
np.save(P("empty.npy"), np.zeros((0, 3), "f4"))
for major in (2, 3):
    with open(P(f"v{major}.npy"), "wb") as f:
        np.lib.format.write_array(f, A.astype("f4"), version=(major, 0))
np.save(P("object.npy"), {0: "Unknown", 1: "OFA"})
np.save(P("record.npy"), np.zeros(2, dtype=[("x", "f4"), ("y", "i4")]))
np.save(P("complex.npy"), np.zeros(2, "c8"))

# ---- what nibabel and numpy read in them
plain = lambda a: [None if isinstance(x, float) and not np.isfinite(x) else x for x in np.asarray(a).ravel().tolist()]
golden = {"versions": {"numpy": np.__version__, "nibabel": nib.__version__}, "npy": {}, "gifti": {}, "freesurfer": {}, "demo": {}}
for n in sorted(os.listdir(OUT)):
    if n.endswith(".npy") and n not in ("object.npy", "record.npy", "complex.npy"):
        a = np.load(P(n))
        golden["npy"][n] = {"shape": list(a.shape), "values": plain(a.astype("f8"))}
    if n.endswith((".gii", ".gii.gz")):
        g = nib.load(P(n)) if n.endswith(".gii") else nib.GiftiImage.from_bytes(gzip.open(P(n)).read())
        golden["gifti"][n] = {"arrays": [{"shape": list(d.data.shape), "intent": nib.nifti1.intent_codes.niistring[d.intent],
                                          "values": plain(d.data.astype("f8"))} for d in g.darrays],
                              "labels": {str(l.key): l.label for l in g.labeltable.labels}}
v, f = fs.read_geometry(P("lh.octa"))
golden["freesurfer"]["lh.octa"] = {"points": v.astype("f8").ravel().tolist(), "faces": f.ravel().tolist()}
golden["freesurfer"]["lh.octa.curv"] = plain(fs.read_morph_data(P("lh.octa.curv")).astype("f8"))
for n in ("lh.octa.annot", "lh.octa.v1.annot"):
    label, ctab, names = fs.read_annot(P(n))
    golden["freesurfer"][n] = {"label": label.tolist(), "names": [x.decode() for x in names], "colours": ctab[:, :3].tolist()}
label, value = fs.read_label(P("lh.octa.label"), read_scalars=True)
golden["freesurfer"]["lh.octa.label"] = {"vertex": label.tolist(), "value": value.tolist()}

# ---- the real files of the demo
for p in sorted((DEMO / "geometry").glob("*.gii.gz")):
    g = nib.load(str(p))
    golden["demo"][p.name] = [{"shape": list(d.data.shape), "sum": float(d.data.astype("f8").sum()),
                               "weighted": float((d.data.astype("f8").ravel() * (np.arange(d.data.size) % 97 + 1)).sum()),
                               "first": d.data.astype("f8").ravel()[:3].tolist(), "last": d.data.astype("f8").ravel()[-3:].tolist()} for d in g.darrays]
for p in sorted((DEMO / "rois").glob("*.annot")):
    label, ctab, names = fs.read_annot(str(p))
    golden["demo"][p.name] = {"names": [x.decode() for x in names], "counts": [int((label == i).sum()) for i in range(len(names))],
                              "none": int((label < 0).sum()), "vertices": len(label),
                              "weighted": int((label.astype("i8") * (np.arange(len(label)) % 97 + 1)).sum())}

# ---- the recorded subjects, which stay outside the repository: numbers only
SHARED = pathlib.Path(os.environ.get("CORTEXMAP_SHARED", HERE.parents[2] / "shared" / "data"))
golden["neural"] = {}
for n in ("v4_201025", "v4_210325"):
    if not (SHARED / "neural" / n).is_dir():
        golden["neural"] = json.loads((OUT / "golden.json").read_text())["neural"]
        break
    a = np.load(SHARED / "neural" / n / "responses.npy").astype("f8").T
    g = golden["neural"][n] = {"images": a.shape[0], "units": a.shape[1], "sum": a.sum(),
                               "weighted": (a.ravel() * (np.arange(a.size) % 97 + 1)).sum(), "first": a[0, :3].tolist(), "last": a[-1, -3:].tolist()}
    if n == "v4_210325":
        c = np.load(SHARED / "neural" / n / "counts_u8.npy").astype("f8")
        c[c == 255] = np.nan
        k = (~np.isnan(c)).sum(2)                       # trials of each unit and image
        g["trials"] = k[0].tolist()
        N, I = k.sum(1), k.shape[1]
        mean = np.nanmean(c, 2)
        within = np.nansum((c - mean[..., None]) ** 2, (1, 2)) / (N - I)
        between = (k * (mean - (k * mean).sum(1, keepdims=True) / N[:, None]) ** 2).sum(1) / (I - 1)
        n0 = (N - (k ** 2).sum(1) / N) / (I - 1)
        signal = np.maximum(0, (between - within) / n0)  # one-way random effects, unequal repeats
        g["ceiling"] = (signal / (signal + within * (1 / k[0]).mean())).tolist()
# How many vertices of lh and rh have each number, and how well two atlases' V1 agree (Dice).
ATLASES = pathlib.Path(os.environ.get("CORTEXMAP_DATA", "nowhere")) / "fsaverage5"
if ATLASES.is_dir():
    golden["atlases"], v1 = {"counts": {}}, {}
    for name in ("rosenke18_vcatlas.v1_0", "benson14_varea.v4_0", "wang15_mplbl.v1_0", "glasser16_atlas.v1_0"):
        for h in ("lh", "rh"):
            a = np.load(ATLASES / f"{h}.{name}.npy")
            golden["atlases"]["counts"].setdefault(name, {})[h] = np.bincount(a, minlength=a.max() + 1)[1:].tolist()
            v1[name[:4] + h] = a == 1
    dice = lambda a, b: 2 * int((a & b).sum()) / (int(a.sum()) + int(b.sum()))
    for h in ("lh", "rh"):
        label, _, names = fs.read_annot(str(DEMO / f"rois/{h}.glasser_360.annot"))
        v1["demo" + h] = (label == names.index(b"V1"))
    golden["atlases"]["dice"] = {k: [dice(v1[a + h], v1[b + h]) for h in ("lh", "rh")] for k, (a, b) in
                                 {"glasser benson14": ("demo", "bens"), "cytoarchitectonic benson14": ("rose", "bens"), "glasser glasser16": ("demo", "glas")}.items()}
    print(golden["atlases"]["dice"])
else:
    golden["atlases"] = json.loads((OUT / "golden.json").read_text())["atlases"]
with open(OUT / "golden.json", "w") as f:
    json.dump(golden, f, indent=1, sort_keys=True)
    f.write("\n")
print(sum(p.stat().st_size for p in OUT.iterdir()), "bytes in", len(list(OUT.iterdir())), "files")
