"""Makes the tiny files of testdata/brain/FORMAT and each folder's golden.json: what nibabel, h5py, SciPy and
numpy read in them.

usage: python containers.py [FORMAT ...]      (mgh nifti cifti pickle hdf5 matlab; all of them without an argument)

needs numpy, nibabel, h5py and scipy; the versions that were used stand in each golden.json. The larger HDF5 files hold
times of creation and differ from run to run.
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


def nifti():
    d = folder("nifti")
    a = np.arange(24).reshape(2, 3, 4)
    affine = np.array([[-1.8, 0, 0, 20], [0, 1.8, 0.2, -30], [0, -0.1, 2, 10], [0, 0, 0, 1]])
    rotation = nib.eulerangles.euler2mat(0.3, -0.2, 2.5) @ np.diag([1.8, 1.7, -2])
    def save(name, a, kind=nib.Nifti1Image, sform=affine, qform=None, order="<", extensions=()):
        img = kind(a, None, kind.header_class(endianness=order))
        img.header.set_data_dtype(a.dtype)
        img.header.set_sform(sform, 1 if sform is not None else 0)
        img.header.set_qform(qform, 4 if qform is not None else 0)
        for code, text in extensions:
            img.header.extensions.append(nib.nifti1.Nifti1Extension(code, text))
        nib.save(img, str(d / name))
    for t in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"):
        save(f"{t}.nii", a[:, :, :1].astype(t))
    save("write.nii", a.astype("i2"))
    img = nib.load(str(d / "write.nii"))  # all that our writer says too
    img.header.set_zooms(nib.affines.voxel_sizes(affine))
    img.header.set_xyzt_units("mm")
    (d / "write.nii").write_bytes(img.to_bytes())
    save("betas.nii.gz", np.stack([a * 300, -a * 300], -1).astype("i2"), qform=None)
    save("scaled.nii", (a[:, :, 0] * 300 + 1).astype("i2"))
    b = bytearray((d / "scaled.nii").read_bytes())  # what is stored, not what it means, was given
    b[112:120] = struct.pack("<2f", 1 / 300, 2)
    (d / "scaled.nii").write_bytes(b)
    save("quaternion.nii", a.astype("f4"), sform=None, qform=nib.affines.from_matvec(rotation, [3, -4, 5.5]))
    save("nowhere.nii.gz", a.astype("u1"), sform=None)
    save("two.nii", a.astype("f8") / 7, kind=nib.Nifti2Image, qform=nib.affines.from_matvec(rotation, [3, -4, 5.5]), sform=None, order=">")
    save("big.nii.gz", a.astype("i4"), order=">", extensions=[(6, b"a comment"), (4, b"")])
    save("flat.nii", np.array([1, 0, 2], "f4").reshape(3))
    save("surface.nii.gz", np.ones((40000, 1, 1), "u1"))  # more than int16: FreeSurfer's hack
    save("labels.nii.gz", (a % 3 - 1).astype("f4"))
    values = {}
    for p in sorted(d.iterdir()):
        img = nib.load(str(p))
        v = img.get_fdata().astype("f4").astype("f8")
        v = v.reshape(v.shape + (1,) * (4 - v.ndim))
        where = img.header["sform_code"] > 0 or img.header["qform_code"] > 0
        flat = [v[..., k].ravel(order="F") for k in range(v.shape[3])]
        values[p.name] = {"shape": list(img.shape), "type": str(img.header.get_data_dtype().newbyteorder("=")),
                          "affine": img.affine[:3].ravel().tolist() if where else None, "extensions": [e.get_code() for e in img.header.extensions],
                          "sums": [float((x * (np.arange(x.size) % 97 + 1)).sum()) for x in flat], "volumes": [plain(x[:24]) for x in flat]}
    golden(d, {"files": values})


def cifti():
    d = folder("cifti")
    C = nib.cifti2
    surfaces = C.BrainModelAxis.from_surface(np.array([0, 2, 3]), 6, "CortexLeft") + C.BrainModelAxis.from_surface(np.array([1, 5]), 6, "CortexRight")
    mask = np.zeros((2, 3, 4), bool)
    mask[1, 2, 3] = mask[0, 1, 2] = True
    voxels = C.BrainModelAxis.from_mask(mask, "BrainStem", np.diag([2, 2, 2, 1.0]))
    def save(name, first, second, a):
        img = C.Cifti2Image(a, (first, second))
        img.update_headers()
        nib.save(img, str(d / name))
    a = np.arange(10, dtype="f4").reshape(2, 5)
    a[1, 3] = np.nan
    save("octa.dscalar.nii", C.ScalarAxis(["r2", "layer <1 & 2>"]), surfaces, a)
    save("stem.dscalar.nii", C.ScalarAxis(["r2"]), surfaces + voxels, np.arange(7, dtype="f4")[None] / 3)
    save("octa.dtseries.nii", C.SeriesAxis(0, 1.6, 2), surfaces, a)
    save("octa.dlabel.nii", C.LabelAxis(["areas"], [{0: ("???", (0, 0, 0, 0)), 1: ("V1", (1, 0, 0, 1))}]), surfaces, a[:1] % 2)
    save("octa.dconn.nii", surfaces, surfaces, np.zeros((5, 5), "f4"))
    values = {}
    for p in sorted(d.glob("*.dscalar.nii")):
        img = nib.load(str(p))
        maps, models = img.header.get_axis(0), img.header.get_axis(1)
        values[p.name] = {"maps": list(maps.name), "values": [plain(r.astype("f8")) for r in img.get_fdata()],
                          "structures": [str(n)[len("CIFTI_STRUCTURE_"):] for n in models.name], "vertices": models.vertex.tolist(),
                          "voxels": models.voxel.tolist(), "surface": {k[len("CIFTI_STRUCTURE_"):]: v for k, v in models.nvertices.items()}}
    golden(d, {"files": values})


def pickles():
    d = folder("pickle")
    names = {0: "Unknown", 1: "OFA", 2: "FFA-1", 3: "FFA-2", 4: "mTL-faces", 5: "aTL-faces"}
    def save(name, what, protocol=None, change=lambda b: b):
        a = np.empty((), object)
        a[()] = what
        if protocol is None:
            np.save(str(d / name), what)
            return
        with open(d / name, "wb") as f:  # as other versions of numpy wrote it
            np.lib.format.write_array_header_1_0(f, dict(descr="|O", fortran_order=False, shape=()))
            f.write(change(pickle.dumps(a, protocol=protocol)))
    numpy1 = lambda b: b.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    save("mapping_floc-faces.npy", names)
    for protocol in (2, 3, 5):
        save(f"protocol{protocol}.npy", names, protocol)
    save("numpy1.npy", names, 3, numpy1)
    save("int64_keys.npy", {np.int64(k): v for k, v in names.items()}, 3, numpy1)
    save("small_keys.npy", {np.int16(-1): "outside", np.uint8(200): "V1", np.dtype(">i4").type(7): "hV4"}, 2)
    save("numpy_names.npy", {1: np.str_("V1v"), 2: np.str_("é")})
    save("numbers.npy", {-1: "a", 300: "b", 70000: "c", -70000: "d", 1 << 40: "e", -(1 << 40): "f"})
    save("one.npy", {1: "V1"})
    save("empty.npy", {})
    save("many.npy", {k: f"area {k}" for k in range(260)}, 3)
    save("unicode.npy", {1: "aire visuelle primaire, « V1 » " + "x" * 300})
    good = sorted(p.name for p in d.iterdir())
    values = {n: {str(int(k)): str(v) for k, v in np.load(str(d / n), allow_pickle=True).item().items()} for n in good}
    # refused
    save("list.npy", ["V1", "V2"])
    np.save(str(d / "two.npy"), np.array([{1: "a"}, {2: "b"}], object))
    save("nested.npy", {1: {"a": 1}})
    save("text_keys.npy", {"V1": 1})
    class Evil:
        def __reduce__(self):
            return (os.system, ("echo this must never run",))
    with open(d / "evil.npy", "wb") as f:
        np.lib.format.write_array_header_1_0(f, dict(descr="|O", fortran_order=False, shape=()))
        f.write(pickle.dumps(Evil(), protocol=4))
    save("protocol0.npy", names, 0)
    used = set()
    for n in good:
        with open(d / n, "rb") as f:
            np.lib.format.read_magic(f)
            np.lib.format.read_array_header_1_0(f)
            used |= {op.name for op, *_ in pickletools.genops(f.read())}
    golden(d, {"files": values, "opcodes": {"used": sorted(used)}})


def hdf5():
    d = folder("hdf5")
    H = h5py
    rng = np.random.default_rng(7)
    image = rng.integers(0, 256, (5, 8, 6, 3), dtype="u1")
    def early(f, name, data, chunks):  # chunks side by side, found by arithmetic where libver is latest
        p = H.h5p.create(H.h5p.DATASET_CREATE)
        p.set_chunk(chunks)
        p.set_alloc_time(H.h5d.ALLOC_TIME_EARLY)
        t = H.h5t.py_create(data.dtype, logical=True)
        s = H.h5d.create(f.id, name.encode(), t, H.h5s.create_simple(data.shape), p)
        s.write(H.h5s.ALL, H.h5s.ALL, data)
    def fill(f):
        f.create_dataset("imgBrick", data=image)
        f.create_dataset("chunked", data=image, chunks=(1, 8, 6, 3))
        f.create_dataset("odd", data=image, chunks=(2, 5, 4, 2))
        f.create_dataset("packed", data=image, chunks=(2, 5, 6, 3), compression="gzip", shuffle=True, fletcher32=True)
        f.create_dataset("single", data=image, chunks=image.shape, compression="gzip")
        early(f, "early", image, (2, 3, 6, 3))
        f.create_dataset("g/betas", data=np.arange(24, dtype="i2").reshape(2, 3, 4) * 300, chunks=(2, 1, 1))
        f.create_dataset("g/deep/scalar", data=3.5)
        for t in ("f2", "f4", "f8", ">f4", "i1", ">i4", "i8", "u2", "u4", "u8"):
            f.create_dataset("t/" + t.replace(">", "big_"), data=(np.arange(6) - (0 if "u" in t else 2)).astype(t).reshape(2, 3))
        f.create_dataset("t/bool", data=np.array([True, False, True]))
        f["t/f4"].attrs["unit"] = np.bytes_("%")
        f["t/f4"].attrs["range"] = np.array([-2.0, 3.0])
        f["t/f4"].attrs["varying"] = "a string of any length"
        f.create_dataset("shuffled", data=np.arange(100, dtype="i4") * 70001, chunks=(30,), shuffle=True, compression="gzip")
        f.create_dataset("holes", (7, 5), "f4", chunks=(2, 2), fillvalue=-1.5)[2:4, 1:3] = 8
        f.create_dataset("unwritten", (3,), "i2", fillvalue=7)
        f.create_dataset("empty", (0, 4), "f4")
        f.create_dataset("grow", data=np.arange(50, dtype="i4"), maxshape=(None,), chunks=(4,))
        f.create_dataset("grow_packed", data=np.arange(50, dtype="i4"), maxshape=(None,), chunks=(4,), compression="gzip")
        f.create_dataset("grow_second", data=np.arange(60, dtype="i2").reshape(4, 15), maxshape=(4, None), chunks=(3, 2))
        f.create_dataset("grow_some", data=np.arange(60, dtype="i2").reshape(4, 15), maxshape=(9, 40), chunks=(3, 4))
        f.create_dataset("grow_both", data=np.arange(60, dtype="i2").reshape(4, 15), maxshape=(None, None), chunks=(1, 2))
        f.create_dataset("grow_both_packed", data=np.arange(60, dtype="i2").reshape(4, 15), maxshape=(None, None), chunks=(1, 2), compression="gzip", shuffle=True)
        x = f.create_dataset("shrunk", data=np.arange(60, dtype="i2").reshape(6, 10), maxshape=(None, 10), chunks=(2, 3))
        x.resize((3, 10))
        f["a_link"] = H.SoftLink("/t/f4")
        r = f.create_dataset("references", (2,), H.ref_dtype)
        r[0], r[1] = f["t/f4"].ref, f["g/betas"].ref
        f.create_dataset("text", data=np.bytes_("V1"))
        # refused
        f.create_dataset("bad/lzf", data=image, chunks=(1, 8, 6, 3), compression="lzf")
        f.create_dataset("bad/offset", data=image, chunks=(1, 8, 6, 3), scaleoffset=0)
        f.create_dataset("bad/records", data=np.zeros(2, [("x", "f4")]))
        f.create_dataset("bad/strings", data=["one", "three"])
        f.create_dataset("bad/complex", data=np.zeros(2, "c8"))
        f.create_dataset("bad/null", data=H.Empty("f4"))
        f["bad/type"] = np.dtype("f4")
        f.create_dataset("bad/named", (2,), f["bad/type"])
        v = H.VirtualLayout((4, 3), "f4")
        v[:2] = H.VirtualSource(f["t/f4"])
        f.create_virtual_dataset("bad/virtual", v)
    def many(f):  # trees and arrays of several levels
        f.create_dataset("tree", data=np.arange(300, dtype="u1"), chunks=(1,))
        f.create_dataset("pages", data=np.arange(2500, dtype="u2").astype("u1"), chunks=(1,))
        f.create_dataset("pages_packed", data=np.arange(1200, dtype="u2").astype("u1"), chunks=(1,), compression="gzip")
        x = f.create_dataset("holes", (9000,), "u1", chunks=(1,))
        x[8500], x[3] = 5, 6
        f.create_dataset("blocks", data=np.arange(1200, dtype="u2").astype("u1"), maxshape=(None,), chunks=(1,))
        x = f.create_dataset("far", (140000,), "u1", chunks=(1,), maxshape=(None,))
        for i in (0, 3, 4, 70, 1000, 40000, 65555, 131071, 131072, 135000, 139999):
            x[i] = i % 251
        f.create_dataset("both", data=np.arange(1500, dtype="u2").astype("u1").reshape(50, 30), chunks=(1, 1), maxshape=(None, None))
        for i in range(1000):
            f[f"twigs/n{i:03d}"] = f["tree"]
        for i in range(40):
            f["tree"].attrs[f"attribute {i}"] = np.arange(i)
    values = {}
    def read(name, path, libver, make):
        with H.File(path, "w", **({"libver": libver} if libver else {})) as f:
            make(f)
        with H.File(path) as f:
            found = {}
            def visit(n, o):
                if not isinstance(o, H.Dataset) or n.startswith(("bad/", "twigs/")) or o.dtype == H.ref_dtype or o.dtype.kind == "S":
                    return
                a = np.asarray(o[()])
                v = a.ravel().astype("f8")
                found[n] = {"shape": list(a.shape), "type": str(a.dtype.newbyteorder("=")), "weighted": float((v * (np.arange(v.size) % 97 + 1)).sum()),
                            "values": v.tolist() if v.size <= 100 else v[:20].tolist()}
            f.visititems(visit)
            values[name] = found
        return path.read_bytes()
    tmp = d / "tmp.hdf5"
    for name, libver, make in (("default.hdf5", None, fill), ("latest.hdf5", "latest", fill), ("v110.hdf5", ("v110", "v110"), fill),
                               ("many_default.hdf5", None, many), ("many_latest.hdf5", "latest", many)):
        (d / (name + ".gz")).write_bytes(gzip.compress(read(name, tmp, libver, make), mtime=0))
    one = np.arange(6, dtype="i2").reshape(2, 3)
    small = {"small.hdf5": (None, {}), "small_packed.hdf5": (None, dict(chunks=(1, 3), compression="gzip", fletcher32=True)),
             "small_latest.hdf5": ("latest", {}), "small_array.hdf5": ("latest", dict(chunks=(1, 2), compression="gzip")),
             "small_grow.hdf5": ("latest", dict(chunks=(1, 2), maxshape=(None, 3))), "small_tree.hdf5": ("latest", dict(chunks=(1, 2), maxshape=(None, None)))}
    for name, (libver, how) in small.items():  # for the battery, which tries every byte
        (d / name).write_bytes(read(name, tmp, libver, lambda f: f.create_dataset("x", data=one, **how)))
    with H.File(tmp, "w", libver="latest") as f:
        for i in range(9):  # one more than fits into a header
            f["x" if i == 0 else f"y{i}"] = one if i == 0 else f["x"]
            f["x"].attrs[f"a{i}"] = i
    (d / "small_heap.hdf5").write_bytes(tmp.read_bytes())
    with H.File(tmp, "w", userblock_size=1024) as f:
        f["x"] = one
    (d / "userblock.hdf5.gz").write_bytes(gzip.compress(tmp.read_bytes(), mtime=0))
    tmp.unlink()
    golden(d, {n: v for n, v in values.items()})


def matlab():
    d = folder("matlab")
    names = {"f8": "double", "f4": "single", "b1": "logical", "?": "logical"}
    def value(a):
        """A value as the reader gives it: column-major."""
        dims = list(a.shape)
        if a.dtype.kind == "U":
            width = max((len(s) for s in a.ravel()), default=0)
            return {"class": "char", "dims": [a.size, width] if width else [0, 0], "text": [s.ljust(width) for s in a.ravel().tolist()] if width else None}
        if a.dtype.kind == "O":
            return {"class": "cell", "dims": dims, "cells": [value(x) for x in a.ravel(order="F")]}
        if a.dtype.names:
            return {"class": "struct", "dims": dims, "fields": [{"name": n, "values": [value(x) for x in a[n].ravel(order="F")]} for n in a.dtype.names]}
        v = {"class": names.get(a.dtype.str[1:]) or str(a.dtype), "dims": dims, "numbers": plain(np.real(a).astype("f8").ravel(order="F"))}
        if a.dtype.kind == "c":
            v["class"], v["imag"] = "double", plain(np.imag(a).ravel(order="F"))
        return v
    def save(name, what, **kw):
        scipy.io.savemat(str(d / name), what, **kw)
        b = (d / name).read_bytes()  # the text holds the date
        (d / name).write_bytes(b"MATLAB 5.0 MAT-file, made by containers.py".ljust(116) + b[116:])
    design = dict(masterordering=np.arange(1, 13, dtype="f8")[None], subjectim=np.arange(16, dtype="f8").reshape(8, 2) + 1, sharedix=np.array([[2951.0, 2991]]),
                  basiccnt=np.arange(6, dtype="u1").reshape(2, 3), stimpattern=(np.arange(24).reshape(2, 3, 4) % 2).astype("u1"))
    cells = np.empty((2, 2), object)
    cells[:] = [["a", np.arange(3.0)], [np.zeros((0, 0)), "long text"]]
    structs = np.zeros((1, 2), [("name", object), ("size", object)])
    structs[0, 0], structs[0, 1] = ("V1", 3.0), ("hV4", 7.0)
    everything = dict(resp=np.arange(6, dtype="f4").reshape(2, 3) / 4, name="V1", rows=np.array(["one", "three"]), word="visuel, « é »", ids=np.array([[1, 2]], "i4"), wide=np.array([[1 << 40]], "i8"),
                      cells=cells, roi={"name": "V1", "size": np.array([[4.0]]), "more": {"x": np.array([[1.0, 2]])}}, rois=structs, truth=np.array([[True, False]]),
                      z=np.array([[1 + 2j, -3.5]]), none=np.zeros((0, 3)), odd=np.array([[np.nan, np.inf, 1]]), cube=np.arange(24.0).reshape(2, 3, 4), empty_text="")
    save("expdesign.mat", design, do_compression=True)
    save("all.mat", everything)
    save("packed.mat", everything, do_compression=True)
    save("small.mat", dict(x=np.array([[1.0, 2]]), c=np.array([["a"]], object)))
    save("small_packed.mat", dict(x=np.array([[1.0, 2]])), do_compression=True)
    # Big-endian, doubles stored as uint8 and as int16 in a small element, as MATLAB itself saves them.
    def element(typ, data):
        n = len(data)
        if n <= 4:
            return struct.pack(">HH", n, typ) + data.ljust(4, b"\0")
        return struct.pack(">II", typ, n) + data + b"\0" * (-n % 8)
    def matrix(name, cls, dims, typ, data):
        return element(14, element(6, struct.pack(">II", cls, 0)) + element(5, struct.pack(f">{len(dims)}i", *dims)) + element(1, name.encode()) + element(typ, data))
    (d / "big.mat").write_bytes(b"MATLAB 5.0 MAT-file, made by containers.py".ljust(116) + b"\0" * 8 + b"\1\0MI"
                                + matrix("bytes", 6, (2, 3), 2, bytes(range(6))) + matrix("shorts", 6, (1, 2), 3, struct.pack(">2h", -5, 300))
                                + matrix("text", 4, (1, 2), 4, struct.pack(">2H", ord("V"), ord("1"))))
    values = {}
    for n in ("expdesign.mat", "all.mat", "packed.mat", "small.mat", "small_packed.mat", "big.mat"):
        read = scipy.io.loadmat(str(d / n), mat_dtype=True)  # as their class, however they are stored; this loses imaginary parts
        read.update({k: v for k, v in scipy.io.loadmat(str(d / n)).items() if k == "z"})
        values[n] = {k: value(v) for k, v in read.items() if not k.startswith("__")}
    save("sparse.mat", dict(s=scipy.sparse.eye(3).tocsc(), x=np.ones((1, 1))))
    # 7.3, as MATLAB writes it: text in front, the class of each dataset as an attribute, dimensions turned round.
    expected = {}
    with h5py.File(d / "v73.mat", "w", userblock_size=512) as f:
        refs = f.create_group("#refs#")
        def put(g, name, cls, a, want=None, empty=None):
            o = g.create_dataset(name, data=np.asarray(a).T if empty is None else np.array(empty, "u8"))
            o.attrs["MATLAB_class"] = np.bytes_(cls)
            if empty is not None:
                o.attrs["MATLAB_empty"] = np.uint8(1)
            v = {"class": cls, "dims": list(empty or np.asarray(a).shape)}
            v.update(want or {"numbers": plain(np.asarray(a).astype("f8").ravel(order="F"))})
            return o, v
        chars = lambda *rows: np.array([[ord(c) for c in r] for r in rows], "u2")
        top = lambda name, *a, **k: expected.__setitem__(name, put(f, name, *a, **k)[1])
        top("resp", "double", np.arange(6.0).reshape(2, 3))
        top("cube", "single", np.arange(24, dtype="f4").reshape(2, 3, 4))
        top("ids", "int32", np.array([[1, 2]], "i4"))
        top("truth", "logical", np.array([[1, 0]], "u1"))
        top("name", "char", chars("V1"), {"text": ["V1"]})
        top("rows", "char", chars("one", "two"), {"text": ["one", "two"]})
        top("none", "double", None, {"numbers": None}, empty=[0, 3])
        inner = [put(refs, "a", "char", chars("a"), {"text": ["a"]}), put(refs, "b", "double", np.arange(3.0)[None]), put(refs, "c", "double", None, {"numbers": None}, empty=[0, 0])]
        c = f.create_dataset("cells", (3, 1), h5py.ref_dtype)
        c.attrs["MATLAB_class"] = np.bytes_("cell")
        for i, (o, _) in enumerate(inner):
            c[i, 0] = o.ref
        expected["cells"] = {"class": "cell", "dims": [1, 3], "cells": [v for _, v in inner]}
        s = f.create_group("roi")
        s.attrs["MATLAB_class"] = np.bytes_("struct")
        fields = [("name", put(s, "name", "char", chars("V1"), {"text": ["V1"]})[1]), ("size", put(s, "size", "double", np.array([[4.0]]))[1])]
        expected["roi"] = {"class": "struct", "dims": [1, 1], "fields": [{"name": n, "values": [v]} for n, v in fields]}
        s = f.create_group("rois")
        s.attrs["MATLAB_class"] = np.bytes_("struct")
        both = []
        for n, a, b in (("name", inner[0], inner[2]), ("size", inner[1], inner[1])):
            r = s.create_dataset(n, (2, 1), h5py.ref_dtype)
            r[0, 0], r[1, 0] = a[0].ref, b[0].ref
            both.append({"name": n, "values": [a[1], b[1]]})
        expected["rois"] = {"class": "struct", "dims": [1, 2], "fields": both}
        f.create_dataset("plain", data=np.arange(4, dtype="i2").reshape(2, 2))  # without attributes
        expected["plain"] = {"class": "int16", "dims": [2, 2], "numbers": [0, 1, 2, 3]}
        o = f.create_dataset("table", data=np.zeros((1, 6), "u4"))  # what a string or a table looks like
        o.attrs["MATLAB_class"] = np.bytes_("string")
        loop = f.create_dataset("loop", (1, 1), h5py.ref_dtype)
        loop.attrs["MATLAB_class"] = np.bytes_("cell")
        loop[0, 0] = loop.ref
    b = (d / "v73.mat").read_bytes()
    b = b"MATLAB 7.3 MAT-file, made by containers.py".ljust(116) + b"\0" * 8 + b"\0\2IM" + b[128:]
    (d / "v73.mat.gz").write_bytes(gzip.compress(b, mtime=0))
    (d / "v73.mat").unlink()
    values["v73.mat.gz"] = expected
    golden(d, values)


MAKE = {"mgh": mgh, "nifti": nifti, "cifti": cifti, "pickle": pickles, "hdf5": hdf5, "matlab": matlab}
for name in sys.argv[1:] or MAKE:
    MAKE[name]()
    files = list((BRAIN / name).iterdir())
    print(name, sum(p.stat().st_size for p in files), "bytes in", len(files), "files")
