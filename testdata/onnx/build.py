"""Makes the small networks of this folder and what PyTorch says about them. Run by hand, never by CI:

    python build.py        # needs torch 2.15, torchvision 0.29, onnx 1.23, onnxscript, numpy

For each network NAME (random weights, fixed seed):
    NAME.ts.onnx, NAME.dyn.onnx     torch's TorchScript (opset 17) and dynamo (opset 18) exporters
    NAME.stripped.onnx              the first with every inner name, scope and shape removed
    NAME.sound.npy, NAME.paper.npy  float32 [blocks, 2, 65, D]: outputs of the block modules, caught by forward
                                    hooks, for the two pictures of picture(), brought to the 8x8 grid in float64;
                                    blocks of different widths lie one after the other, flat
    NAME.json                       the blocks' module names, widths and native grids, in order

"sound": per axis, where the native grid has 8 cells or more, mean over the native cells that a cell covers,
weighted by overlap (computed by repeating each cell 8 times and averaging runs of n); else bilinear with
half-pixel centres. "paper": torch.nn.functional.interpolate, bilinear, align_corners=False, antialias=False.
The global token is the class token where there is one, else the mean over space.

structure.json: what the onnx package reads from the networks here and from ../demo/lite0.onnx.
"""
import json
import pathlib
import re
import warnings

import numpy as np
import onnx
import torch
import torchvision
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.backends.mha.set_fastpath_enabled(False)
HERE = pathlib.Path(__file__).parent
SIDE = 112
GRID = 8


class NarrowResNet(torchvision.models.ResNet):
    """torchvision's ResNet-18 with 8, 16, 24, 32 channels in place of 64 to 512."""

    def __init__(self):
        block = torchvision.models.resnet.BasicBlock
        super().__init__(block, [1, 1, 1, 1], num_classes=10)
        self.inplanes = 8
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        for i, width in enumerate([8, 16, 24, 32], 1):
            setattr(self, f"layer{i}", self._make_layer(block, width, 2, stride=1 if i == 1 else 2))
        self.fc = nn.Linear(32, 10)


class ClipBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc, self.proj = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        y = self.fc(self.ln_2(x))
        return x + self.proj(y * torch.sigmoid(1.702 * y))


class ClipLike(nn.Module):
    """CLIP's picture tower: tokens before images ([L, N, D]), class token first."""

    def __init__(self, width=24, heads=3, depth=4, patch=14):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.cls = nn.Parameter(torch.randn(width) * 0.1)
        self.pos = nn.Parameter(torch.randn((SIDE // patch) ** 2 + 1, width) * 0.1)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList([ClipBlock(width, heads) for _ in range(depth)])
        self.head = nn.Parameter(torch.randn(width, 8) * 0.1)

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        cls = self.cls + torch.zeros(x.shape[0], 1, x.shape[-1])
        x = self.ln_pre(torch.cat([cls, x], 1) + self.pos).transpose(0, 1)
        for b in self.blocks:
            x = b(x)
        return self.ln_post(x.transpose(0, 1)[:, 0]) @ self.head


def vit():
    return torchvision.models.VisionTransformer(image_size=SIDE, patch_size=8, num_layers=6, num_heads=3, hidden_dim=48, mlp_dim=96, num_classes=10)


def swin():
    return torchvision.models.SwinTransformer(patch_size=[4, 4], embed_dim=12, depths=[2, 2], num_heads=[2, 4], window_size=[7, 7], mlp_ratio=2, num_classes=10)


# name: (constructor, pattern of the block modules, layout of their outputs, prefix tokens)
NETWORKS = {
    "vit": (vit, r"encoder\.layers\.encoder_layer_\d+", "NLC", 1),
    "resnet": (NarrowResNet, r"layer\d\.\d", "NCHW", 0),
    "swin": (swin, r"features\.[13]\.\d", "NHWC", 0),
    "clip": (ClipLike, r"blocks\.\d", "LNC", 1),
}


def picture():
    """Two pictures of white noise, [2, 3, SIDE, SIDE], from a generator that is easy to repeat elsewhere."""
    state, values = np.uint64(1), []
    for _ in range(2 * 3 * SIDE * SIDE):
        state = (state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)) & np.uint64(2**64 - 1)
        values.append(int(state >> np.uint64(40)) / 2**23 - 1)
    return torch.tensor(values, dtype=torch.float64).float().reshape(2, 3, SIDE, SIDE)


def spread(module):
    """Gives one-dimensional parameters and statistics different values, so that no two tensors agree by accident."""
    g = torch.Generator().manual_seed(1)
    for p in module.parameters():
        if p.ndim == 1:
            p.data += 0.3 * torch.rand(p.shape, generator=g)
    for name, b in module.named_buffers():
        if b.is_floating_point() and b.ndim == 1:
            b += 0.3 * torch.rand(b.shape, generator=g)


def area(x, axis):
    """Brings one axis to GRID cells by the rule "sound"."""
    n = x.shape[axis]
    if n >= GRID:
        return np.repeat(x, GRID, axis).reshape(*x.shape[:axis], GRID, n, *x.shape[axis + 1:]).mean(axis + 1)
    at = np.clip((np.arange(GRID) + 0.5) * n / GRID - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    share = (at - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, n - 1), axis) * share


def tokens(t, layout, prefix, rule):
    """[2, 65, D] of one block's output, and its native grid."""
    t = t.double()
    if layout == "LNC":
        t = t.permute(1, 0, 2)
    if layout in ("LNC", "NLC"):
        side = int((t.shape[1] - prefix) ** 0.5)
        top = t[:, 0] if prefix else t.mean(1)
        t = t[:, prefix:].permute(0, 2, 1).reshape(2, -1, side, side)
    else:
        t = t.permute(0, 3, 1, 2) if layout == "NHWC" else t
        top = t.mean((2, 3))
    if rule == "paper":
        local = nn.functional.interpolate(t, (GRID, GRID), mode="bilinear", align_corners=False).numpy()
    else:
        local = area(area(t.numpy(), 2), 3)
    local = local.reshape(2, t.shape[1], -1).transpose(0, 2, 1)
    return np.concatenate([local, top.numpy()[:, None]], 1), list(t.shape[2:])


def strip(model):
    """Removes every name that isn't an input's or output's, every scope, and every declared shape."""
    names = {}
    kept = {v.name for v in [*model.graph.input, *model.graph.output]}

    def new(old):
        return old if old == "" or old in kept else names.setdefault(old, f"t{len(names) * 7919 % 100003}")

    for n in model.graph.node:
        n.input[:], n.output[:] = [new(x) for x in n.input], [new(x) for x in n.output]
        n.name = n.doc_string = ""
        del n.metadata_props[:]
    for t in model.graph.initializer:
        t.name = new(t.name)
    del model.graph.value_info[:]
    return model


def clean(model):
    """Takes out stack traces and paths of the machine that exported."""
    model.doc_string = ""
    for n in model.graph.node:
        n.doc_string = ""
        kept = [(p.key, p.value) for p in n.metadata_props if p.key in ("namespace", "pkg.torch.onnx.name_scopes")]
        del n.metadata_props[:]
        for k, v in kept:
            n.metadata_props.add(key=k, value=v)
    for v in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        del v.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    return model


def export(name, module, x):
    path = HERE / f"{name}.ts.onnx"
    torch.onnx.export(module, (x,), path, dynamo=False, input_names=["image"], output_names=["out"],
                      dynamic_axes={"image": {0: "batch"}, "out": {0: "batch"}}, opset_version=17)
    onnx.save(clean(onnx.load(path)), path)
    onnx.save(strip(onnx.load(path)), HERE / f"{name}.stripped.onnx")
    path = HERE / f"{name}.dyn.onnx"
    torch.onnx.export(module, (x,), path, dynamo=True, input_names=["image"], output_names=["out"],
                      dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},), external_data=False, verbose=False)
    onnx.save(clean(onnx.load(path)), path)


def golden(name, module, x, pattern, layout, prefix):
    caught = {}
    for k, m in module.named_modules():
        if re.fullmatch(pattern, k):
            m.register_forward_hook(lambda m, i, o, k=k: caught.__setitem__(k, o.detach().clone()))
    with torch.no_grad():
        module(x)
    blocks = []
    for rule in ("sound", "paper"):
        parts = [tokens(t, layout, prefix, rule) for t in caught.values()]
        flat = np.concatenate([p.astype(np.float32).reshape(-1) for p, _ in parts])
        np.save(HERE / f"{name}.{rule}.npy", flat)
        blocks = [{"name": k, "width": p.shape[2], "grid": g, "layout": layout, "prefix": prefix} for k, (p, g) in zip(caught, parts)]
    (HERE / f"{name}.json").write_text(json.dumps(blocks, indent=1) + "\n")


def structure(path):
    m = onnx.load(path)
    numbers = (1, 2, 3, 10, 11, 16)  # float32, uint8, int8, float16, float64, bfloat16
    tensors = list(m.graph.initializer) + [a.t for n in m.graph.node for a in n.attribute if a.HasField("t")]

    def value(v):
        dims = [d.dim_value if d.HasField("dim_value") else -1 for d in v.type.tensor_type.shape.dim]
        return {"name": v.name, "type": v.type.tensor_type.elem_type, "dims": dims}

    return {
        "ir": m.ir_version, "opsets": {o.domain: o.version for o in m.opset_import}, "producer": m.producer_name,
        "nodes": [f"{n.op_type}({','.join(n.input)})->{','.join(n.output)}" for n in m.graph.node][::7],
        "count": len(m.graph.node), "initializers": len(m.graph.initializer),
        "parameters": int(sum(np.prod(t.dims, dtype=np.int64) for t in tensors if t.data_type in numbers)),
        "inputs": [value(v) for v in m.graph.input], "outputs": [value(v) for v in m.graph.output],
        "meta": {p.key: p.value for p in m.metadata_props},
    }


def main():
    x = picture()
    for name, (make, pattern, layout, prefix) in NETWORKS.items():
        torch.manual_seed(0)
        module = make().eval()
        spread(module)
        export(name, module, x)
        golden(name, module, x, pattern, layout, prefix)
    files = sorted(HERE.glob("*.onnx")) + [HERE / "../demo/lite0.onnx"]
    (HERE / "structure.json").write_text(json.dumps({f.name: structure(f) for f in files}, indent=1) + "\n")


if __name__ == "__main__":
    main()
