"""Makes factortopy.json: what PyTorch computes from the equations of package fit's comment.

usage: python factortopy.py      (from this folder; needs numpy and torch)

Written from the equations alone, in the straightforward form: tensors [B, V, C], grid_sample, autograd. Inputs
and weights come from the integer hash below, which the Go test repeats, so only results are stored: all of the
forward pass; of every gradient, and of every weight after ten AdamW steps, the norm, the largest magnitude and
64 entries spread over it. Each layer's tokens live on a native grid of its own (7, 14, 16, 64), are resized to
8x8 as the published code does (bilinear, half-pixel centres, no antialiasing), and rounded to float16 as stored.
"""
import json
import math

import numpy as np
import torch
import torch.nn.functional as F

MAKER = f"torch {torch.__version__}, numpy {np.__version__}"
GRIDS, WIDTHS = (7, 14, 16, 64), (7, 12, 5, 20)
IMAGES, BATCH, V, C, HIDDEN, CODE = 8, 4, 48, 6, 128, 192
CLIP = 0.02  # the published 0.5 would never act on gradients this small
L = len(WIDTHS)


def hashed(seed, *shape):
    """Numbers in [-1, 1), exact in float32."""
    n = math.prod(shape)
    h = (np.arange(1, n + 1, dtype=np.uint32) * np.uint32(2654435761)) + np.uint32(seed * 40503 % 2**32)
    h ^= h >> np.uint32(15)
    h *= np.uint32(2246822519)
    h ^= h >> np.uint32(13)
    return ((h >> np.uint32(8)).astype(np.float64) / 2**23 - 1).reshape(shape)


def tensor(x):
    return torch.tensor(np.asarray(x, np.float32).astype(np.float64))


def parameters():
    """Every weight, by the names of the weights' file, with the seed by its place in this list."""
    shapes = {}
    for l, d in enumerate(WIDTHS):
        shapes[f"local.{l}.weight"] = ((C, d), 1.5 / math.sqrt(d))
        shapes[f"global.{l}.weight"] = ((C, d), 1.5 / math.sqrt(d))
    for name, out in (("space", 2), ("layer", L), ("scale", 1)):
        shapes[f"{name}.0.weight"] = ((HIDDEN, CODE), 0.15)
        shapes[f"{name}.0.bias"] = ((HIDDEN,), 0.15)
        shapes[f"{name}.1.weight"] = ((HIDDEN, HIDDEN), 0.2)
        shapes[f"{name}.1.bias"] = ((HIDDEN,), 0.15)
        shapes[f"{name}.2.weight"] = ((out, HIDDEN), 0.8)
    shapes["readout.weight"] = ((V, C), 0.6)
    shapes["readout.bias"] = ((V,), 0.5)
    return {name: tensor(hashed(100 + i, *shape) * scale) for i, (name, (shape, scale)) in enumerate(shapes.items())}


def tokens():
    """Per layer: local tokens [N, D, 8, 8] and the global one [N, D]."""
    local, glob = [], []
    for l, (g, d) in enumerate(zip(GRIDS, WIDTHS)):
        native = tensor(np.round(hashed(10 + l, IMAGES, d, g, g) * 64) / 64).float()
        x = F.interpolate(native, size=(8, 8), mode="bilinear", align_corners=False)
        local.append(x.half().double())
        glob.append(tensor(np.round(hashed(20 + l, IMAGES, d) * 64) / 64))
    return local, glob


def position_code(xyz):
    low = xyz.min(0).values
    t = (xyz - low) * 100 / (xyz.max(0).values - low).max()
    omega = torch.tensor([1000 ** (-k / 32) for k in range(32)], dtype=torch.float64)
    phase = t[:, :, None] * omega
    return torch.stack([torch.sin(phase), torch.cos(phase)], -1).reshape(len(xyz), -1)


def mlp(p, name, code):
    h = F.gelu(code @ p[f"{name}.0.weight"].T + p[f"{name}.0.bias"])
    h = F.gelu(h @ p[f"{name}.1.weight"].T + p[f"{name}.1.bias"])
    return h @ p[f"{name}.2.weight"].T


def forward(p, code, local, glob, mean):
    space = torch.tanh(mlp(p, "space", code))
    layer = torch.softmax(mlp(p, "layer", code), -1)
    scale = torch.sigmoid(mlp(p, "scale", code))[:, 0]
    read_local = read_global = 0
    for l in range(L):
        z = torch.einsum("bdhw,cd->bchw", local[l], p[f"local.{l}.weight"])
        grid = space[None, :, None, :].expand(len(z), -1, 1, 2)
        s = F.grid_sample(z, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[..., 0]
        read_local = read_local + s.transpose(1, 2) * layer[None, :, l, None]
        read_global = read_global + (glob[l] @ p[f"global.{l}.weight"].T)[:, None] * layer[None, :, l, None]
    v = (1 - scale)[None, :, None] * read_local + scale[None, :, None] * read_global
    y = (v * p["readout.weight"]).sum(-1) * (1 / C if mean else 1) + p["readout.bias"]
    return y, space, layer, scale


def loss_of(p, code, local, glob, target, paper, step):
    y, space, layer, scale = forward(p, code, local, glob, paper)
    if not paper:
        return F.mse_loss(y, target)
    reg = ((torch.log(layer + 1e-8) * layer).sum(-1).mean() / math.log(L) + ((scale - 0.5) ** 2).mean())
    return F.smooth_l1_loss(y, target, beta=0.1) + 0.1 * max(0, 1 - step / 2000) * reg


def digest(x):
    x = x.detach().numpy().ravel()
    at = np.linspace(0, len(x) - 1, min(64, len(x))).astype(int)
    return {"norm": float(np.linalg.norm(x)), "largest": float(np.abs(x).max()), "entries": x[at].tolist()}


def run(paper):
    p = parameters()
    for x in p.values():
        x.requires_grad_(True)
    local, glob = tokens()
    xyz = tensor(np.round(hashed(1, V, 3) * 90) + 100)
    target = tensor(hashed(2, IMAGES, V) * 2)
    code = position_code(xyz)
    pick = lambda a, b: ([x[a:b] for x in local], [x[a:b] for x in glob], target[a:b])
    out = {}
    y, space, layer, scale = forward(p, code, *pick(0, BATCH)[:2], paper)
    out["forward"] = {k: v.detach().numpy().ravel().tolist() for k, v in dict(y=y, space=space, layer=layer, scale=scale).items()}
    loss = loss_of(p, code, *pick(0, BATCH), paper, 0)
    loss.backward()
    out["loss"] = loss.item()
    out["gradients"] = {k: digest(x.grad) for k, x in p.items()}
    opt = torch.optim.AdamW(list(p.values()), lr=1e-3, weight_decay=0.01 if paper else 0.0)
    losses = []
    for step in range(10):
        a = step % 2 * BATCH
        opt.zero_grad()
        loss = loss_of(p, code, *pick(a, a + BATCH), paper, step)
        loss.backward()
        if paper:
            torch.nn.utils.clip_grad_norm_(list(p.values()), CLIP)
        opt.step()
        losses.append(loss.item())
    out["losses"] = losses
    out["after"] = {k: digest(x) for k, x in p.items()}
    out["code"] = digest(code)
    out["border"] = int((space.abs() > 0.875).any(-1).sum())
    return out


result = {"maker": MAKER, "script": "testdata/reference/factortopy.py", "format": 1,
          "grids": GRIDS, "widths": WIDTHS, "images": IMAGES, "batch": BATCH, "vertices": V, "channels": C, "clip": CLIP,
          "names": list(parameters()), "paper": run(True), "sound": run(False)}
with open("factortopy.json", "w") as f:
    json.dump(result, f, separators=(",", ":"))
