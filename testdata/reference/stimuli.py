"""Makes the golden pictures of package internal/stimuli: what Pillow 13.0.0 makes of files and sizes.

    python3 testdata/reference/stimuli.py        (Pillow 13.0.0, numpy; writes testdata/reference/stimuli/)

decode/ holds small encoded pictures, golden.zip what Pillow makes of them (decode/NAME.ppm) and of two pictures
resized (resize/SOURCE_KERNEL_WxH.ppm, sources resize/SOURCE.ppm). Everything is drawn here, from formulas and a
seeded generator; no photograph is needed. Pillow is run with its own libjpeg-turbo, libwebp and libtiff.
"""
import io, os, struct, zipfile, zlib
import numpy as np
import PIL
from PIL import Image, ImageOps, features

assert PIL.__version__ == "13.0.0", PIL.__version__
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stimuli")
os.makedirs(os.path.join(here, "decode"), exist_ok=True)
rng = np.random.default_rng(20261125)
golden = {}


def picture(w, h, noise=6):
    """A smooth colourful field with edges and a little noise, [h, w, 3] uint8: hard on chroma and on kernels."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    p = np.stack([128 + 110 * np.sin(x / 3.1 + y / 7), 128 + 110 * np.cos(y / 2.3 - x / 9), 255 * ((x // 5 + y // 4) % 2)], -1)
    p[h // 3:h // 2, w // 4:w // 2] = (250, 10, 20)
    return np.clip(p + rng.normal(0, noise, p.shape), 0, 255).astype(np.uint8)


def ppm(rgb):
    rgb = np.asarray(rgb)
    return b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.astype(np.uint8).tobytes()


def keep(name, data, expected=None):
    """Writes an input file; expected: the picture, if Pillow's plain convert("RGB") isn't what is wanted."""
    with open(os.path.join(here, "decode", name), "wb") as f:
        f.write(data)
    if expected is None:
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    golden["decode/" + name + ".ppm"] = ppm(expected)


def encoded(img, **kw):
    b = io.BytesIO()
    img.save(b, **kw)
    return b.getvalue()


def png(color_type, depth, rows):
    """A PNG by hand, for what Pillow can't write: rows are the raw bytes of each row."""
    h = len(rows)
    w = len(rows[0]) * 8 // depth // {0: 1, 2: 3, 4: 2, 6: 4}[color_type]
    chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color_type, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) + chunk(b"IEND", b""))


def oriented(o):
    e = Image.Exif()
    e[0x0112] = o
    return e


# JPEG
base = Image.fromarray(picture(47, 33))
for name, sub in [("444", 0), ("422", 1), ("420", 2)]:
    keep(f"{name}.jpg", encoded(base, format="JPEG", quality=88, subsampling=sub))
keep("progressive.jpg", encoded(base, format="JPEG", quality=75, subsampling=2, progressive=True))
keep("narrow.jpg", encoded(Image.fromarray(picture(4, 19)), format="JPEG", quality=90, subsampling=2))
keep("one.jpg", encoded(Image.fromarray(picture(1, 1)), format="JPEG", quality=90, subsampling=2))
keep("grey.jpg", encoded(base.convert("L"), format="JPEG", quality=88))
keep("cmyk.jpg", encoded(base.convert("CMYK"), format="JPEG", quality=95))
keep("rotated.jpg", encoded(base, format="JPEG", quality=95, subsampling=0, exif=oriented(6)))
# Samplings that Pillow can't write: the sampling factors in the header of a 32 x 32 file are edited. As many blocks
# make up a unit, so it stays a valid file, of a scrambled picture.
square = Image.fromarray(picture(32, 32))
for name, sub, old, new in [("440", 1, 0x21, 0x12), ("411", 2, 0x22, 0x41)]:
    data = bytearray(encoded(square, format="JPEG", quality=88, subsampling=sub))
    at = data.index(b"\xff\xc0") + 11  # SOF0: length, depth, height, width, count, then id, factors, table
    assert data[at] == old
    data[at] = new
    keep(f"{name}.jpg", bytes(data))

# WebP
keep("lossy.webp", encoded(base, format="WEBP", quality=80))
rgba = np.dstack([picture(30, 21), rng.integers(0, 256, (21, 30), dtype=np.uint8)])
keep("lossy_alpha.webp", encoded(Image.fromarray(rgba), format="WEBP", quality=80, exact=True), None)
keep("lossless.webp", encoded(Image.fromarray(rgba), format="WEBP", lossless=True, exact=True), rgba[:, :, :3])
keep("rotated.webp", encoded(base, format="WEBP", quality=90, exif=oriented(8)))
keep("narrow.webp", encoded(Image.fromarray(picture(3, 9)), format="WEBP", quality=90))

# PNG
keep("rgb.png", encoded(base, format="PNG"))
keep("rgba.png", encoded(Image.fromarray(rgba), format="PNG"), rgba[:, :, :3])
keep("palette.png", encoded(base.quantize(17), format="PNG", transparency=3), base.quantize(17).convert("RGB"))
keep("bilevel.png", encoded(base.convert("1"), format="PNG"))
keep("grey_alpha.png", encoded(Image.merge("LA", [base.convert("L"), Image.fromarray(np.tile(np.arange(47, dtype=np.uint8) * 5, (33, 1)))]), format="PNG"), base.convert("L").convert("RGB"))
wide = rng.integers(0, 65536, (7, 9, 3))
keep("rgb16.png", png(2, 16, [r.astype(">u2").tobytes() for r in wide.reshape(7, -1)]), np.round(wide / 257))
keep("grey16.png", png(0, 16, [r.astype(">u2").tobytes() for r in wide[:, :, 0]]), np.repeat(np.round(wide[:, :, :1] / 257), 3, 2))

# TIFF, BMP
keep("lzw.tiff", encoded(base, format="TIFF", compression="tiff_lzw"))
keep("rotated.tif", encoded(Image.fromarray(picture(12, 8)), format="TIFF", tiffinfo={0x0112: 3}))
keep("alpha.tiff", encoded(Image.fromarray(rgba), format="TIFF"), rgba[:, :, :3])
keep("rgb.bmp", encoded(Image.fromarray(picture(13, 8)), format="BMP"))
keep("palette.bmp", encoded(Image.fromarray(picture(13, 8)).quantize(9), format="BMP"))

# EXIF orientation, all of them
for o in range(1, 9):
    keep(f"exif{o}.png", encoded(Image.fromarray(picture(7, 4)), format="PNG", exif=oriented(o)))

# Resizing: up, down, both, one side only, portrait and landscape (Pillow 13 changes the order of the passes)
kernels = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS, "nearest": Image.NEAREST}
for source, (w, h) in {"landscape": (45, 26), "portrait": (26, 45)}.items():
    src = picture(w, h, noise=40)
    golden[f"resize/{source}.ppm"] = ppm(src)
    for kernel, k in kernels.items():
        for size in [(18, 18), (50, 50), (60, 20), (20, 60), (w, 13), (31, h), (5, 3), (1, 1), (24, 24)]:
            golden[f"resize/{source}_{kernel}_{size[0]}x{size[1]}.ppm"] = ppm(Image.fromarray(src).resize(size, k))

with zipfile.ZipFile(os.path.join(here, "golden.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("MADE_BY", f"testdata/reference/stimuli.py, Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, "
               f"libwebp {features.version('webp')}, numpy {np.__version__}\n")
    for name in sorted(golden):
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        z.writestr(info, golden[name])
