"""Makes the golden inputs of extract.Preprocess with Pillow 13.0.0 and numpy.

    python3 testdata/reference/preprocess.py     (writes testdata/reference/preprocess/golden.zip)

The zip holds cases.json (cards by name, with the pictures they are applied to), the pictures as PPM, and for each
case CASE_PICTURE.f32: the network's input, float32 little-endian, in the card's layout. Everything is done as the
networks' own pipelines do it: Image.resize, then torchvision's CenterCrop (round half to even), then statistics in
float64, rounded to float32 once.
"""
import json, math, os, zipfile
import numpy as np
import PIL
from PIL import Image

assert PIL.__version__ == "13.0.0", PIL.__version__
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "preprocess")
os.makedirs(here, exist_ok=True)
rng = np.random.default_rng(11)
kernels = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
imagenet = dict(Scale=255, Mean=[0.485, 0.456, 0.406], Std=[0.229, 0.224, 0.225])
lite = dict(Scale=255, Mean=[127 / 255] * 3, Std=[128 / 255] * 3)

cards = {
    "lite": dict(Size=28, Resize="crop", CropRatio=28 / 32, Kernel="bicubic", Order="RGB", Layout="NCHW", **lite),
    "odd": dict(Size=25, Resize="crop", CropRatio=25 / 32, Kernel="bicubic", Order="RGB", Layout="NCHW", **lite),
    "clip": dict(Size=28, Resize="crop", CropRatio=1, Kernel="bicubic", Order="RGB", Layout="NCHW", Scale=255,
                 Mean=[0.48145466, 0.4578275, 0.40821073], Std=[0.26862954, 0.26130258, 0.27577711]),
    "paper": dict(Size=28, Resize="squash", CropRatio=1, Kernel="bilinear", Order="RGB", Layout="NCHW", **imagenet),
    "bgr": dict(Size=28, Resize="squash", CropRatio=28 / 32, Kernel="bilinear", Order="BGR", Layout="NHWC", Scale=1,
                Mean=[104, 117, 123], Std=[1, 1, 1]),
    "pad": dict(Size=32, Resize="pad", CropRatio=1, Kernel="bilinear", Order="RGB", Layout="NCHW", **imagenet),
    "wide": dict(Size=20, Width=36, Resize="squash", CropRatio=1, Kernel="lanczos", Order="RGB", Layout="NHWC", **imagenet),
}
pictures = {"landscape": (53, 37), "portrait": (37, 53), "square": (31, 31)}


def draw(w, h):
    y, x = np.mgrid[0:h, 0:w].astype(float)
    p = np.stack([255 * x / w, 255 * y / h, 128 + 127 * np.sin(x / 2)], -1) + rng.normal(0, 25, (h, w, 3))
    return np.clip(p, 0, 255).astype(np.uint8)


def centre(img, w, h):
    x, y = round((img.width - w) / 2.0), round((img.height - h) / 2.0)
    return img.crop((x, y, x + w, y + h))


def network_input(img, c):
    h, w, k = c["Size"], c.get("Width", c["Size"]), kernels[c["Kernel"]]
    W, H = round(w / c["CropRatio"]), round(h / c["CropRatio"])
    if c["Resize"] == "squash":
        img = centre(img.resize((W, H), k), w, h)
    elif c["Resize"] == "crop":
        short, long = min(img.size), max(img.size)
        long = int(W * long / short)
        img = centre(img.resize((W, long) if img.width <= img.height else (long, W), k), w, h)
    else:
        s = h / max(img.size)
        img = img.resize((int(img.width * s + 0.5), int(img.height * s + 0.5)), k)
    p = np.asarray(img).astype(np.float64)
    if c["Order"] == "BGR":
        p = p[:, :, ::-1]
    p = (p / c["Scale"] - np.array(c["Mean"])) / np.array(c["Std"])
    out = np.zeros((h, w, 3))
    out[:p.shape[0], :p.shape[1]] = p
    if c["Layout"] == "NCHW":
        out = out.transpose(2, 0, 1)
    return out.astype("<f4").tobytes()


golden = {"cases.json": json.dumps({"cards": cards, "pictures": list(pictures)}, indent=1)}
for name, (w, h) in pictures.items():
    rgb = draw(w, h)
    golden[f"{name}.ppm"] = b"P6 %d %d 255\n" % (w, h) + rgb.tobytes()
    for card, c in cards.items():
        golden[f"{card}_{name}.f32"] = network_input(Image.fromarray(rgb), c)
with zipfile.ZipFile(os.path.join(here, "golden.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    for name in sorted(golden):
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        z.writestr(info, golden[name])
