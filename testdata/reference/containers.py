"""Makes the tiny files of testdata/brain/FORMAT and each folder's golden.json: what nibabel, h5py, SciPy and
numpy read in them.

usage: python containers.py [FORMAT ...]      (mgh nifti cifti pickle hdf5 matlab; all of them without an argument)

needs numpy, nibabel, h5py and scipy; the versions that were used stand in each golden.json.
"""
import gzip, json, os, pathlib, pickle, pickletools, struct, sys
import h5py, nibabel as nib, numpy as np, scipy, scipy.io

BRAIN = pathlib.Path(__file__).resolve().parent.parent / "brain"
VERSIONS = {"numpy": np.__version__, "nibabel": nib.__version__, "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version, "scipy": scipy.__version__}
S = np.array([0.5, -1.25, 0, 3, np.nan, 1e-3], "f4")
plain = lambda a: [None if isinstance(x, float) and not np.isfinite(x) else x for x in np.asarray(a).ravel().tolist()]


def folder(name):
    d = BRAIN / name
    d.mkdir(parents=True, exist_ok=True)
    for p in d.iterdir():
        p.unlink()
    return d


def golden(d, values):
    text = lambda x: json.dumps(x, sort_keys=True)
    lines = lambda x: "{\n" + ",\n".join(f"  {text(k)}: {text(v)}" for k, v in sorted(x.items())) + "\n }"
    with open(d / "golden.json", "w") as f:  # a line for each file, so that a change shows up in a diff
        f.write("{\n" + ",\n".join(f" {text(k)}: {lines(v)}" for k, v in sorted({"versions": VERSIONS, **values}.items())) + "\n}\n")


def mgh():
    d = folder("mgh")
    # The geometry that FreeSurfer gives to surfaces: x to the left, y down, z to the front, centre at 0.
    affine = np.array([[-1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    def save(name, a, good=True, tail=None):
        m = affine.copy()
        m[:3, 3] = -m[:3, :3] @ (np.array(a.shape[:3]) / 2)
        img = nib.MGHImage(a, m)
        nib.save(img, str(d / name))
        b = (d / name).read_bytes()
        if not good:  # nibabel always says that it is
            (d / name).write_bytes(b[:28] + b"\0\0" + b[30:])
        if tail is not None:
            (d / name).write_bytes(b[:284 + a.nbytes] + tail)
    save("map.mgh", S.reshape(6, 1, 1))
    save("maps.mgz", np.stack([S, S * 2], -1).reshape(6, 1, 1, 2))
    save("labels.mgz", np.array([-1, 0, 1, 2, 7, 7], "i4").reshape(6, 1, 1))
    save("split.mgh", np.arange(12, dtype="f4").reshape(2, 1, 3, 2, order="F"))
    save("volume.mgh", np.arange(24, dtype="u1").reshape(2, 3, 4), good=False)
    save("short.mgh", np.array([-5, 300, -32768, 32767], "i2").reshape(4, 1, 1), tail=b"")
    save("tags.mgh", S.reshape(6, 1, 1), tail=struct.pack(">5f", 2, 0.1, 3, 4, 5) + struct.pack(">iq", 3, 9) + b"mri_glm x")
    values = {}
    for p in sorted(d.iterdir()):
        img = nib.load(str(p))
        a = np.asarray(img.dataobj)
        a = a.reshape(a.shape + (1,) * (4 - a.ndim))
        b = gzip.open(p).read() if p.suffix == ".mgz" else p.read_bytes()
        good = b[28:30] == b"\0\1"  # nibabel reads a file that says 0 as if it said 1, with another geometry
        values[p.name] = {"shape": list(a.shape), "type": str(a.dtype.newbyteorder("=")), "good": good,
                          "frames": [plain(a[..., k].astype("f8").ravel(order="F")) for k in range(a.shape[3])]}
    # nibabel 5.4 knows no uint16 (type 10, new in FreeSurfer): written by hand, after its int16.
    b = bytearray((d / "short.mgh").read_bytes())
    b[20:24] = struct.pack(">i", 10)
    (d / "ushort.mgh").write_bytes(b)
    values["ushort.mgh"] = {"shape": [4, 1, 1, 1], "type": "uint16", "good": True, "frames": [[65531, 300, 32768, 32767]]}
    golden(d, {"files": values})


MAKE = {"mgh": mgh}
for name in sys.argv[1:] or MAKE:
    MAKE[name]()
    files = list((BRAIN / name).iterdir())
    print(name, sum(p.stat().st_size for p in files), "bytes in", len(files), "files")
