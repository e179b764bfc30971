"""Makes the golden checkpoints of the PyTorch reader and of the reader of published FactorTopy weights:

    python published.py        (PyTorch 2; writes checkpoints/tensors.pt, tensors.json, published.pt.gz, published.json)

tensors.pt has a tensor of every kind that is read, and things beside them; tensors.json what PyTorch says they
hold. published.pt.gz has the keys and shapes of the published state (a module of the layout that the paper's
code has: convolutions and linear maps for bottlenecks, three selector networks behind a position code), with few
vertices and coarse weights so that it packs well; published.json has what that module, in float64, picks for each
vertex: layers, place and scale, and what it predicts for one image's tokens.
"""
import collections
import gzip
import io
import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

OUT = pathlib.Path(__file__).parent / "checkpoints"
OUT.mkdir(exist_ok=True)
torch.manual_seed(20)


def coarse(*shape, scale=1 / 16):
    return torch.randint(-6, 7, shape).to(torch.float32) * scale


def tensors():
    base = torch.arange(24, dtype=torch.float32)
    shared = torch.arange(6, dtype=torch.float64) / 3
    state = collections.OrderedDict(
        plain=base.reshape(2, 3, 4),
        turned=base.reshape(4, 6).t(),
        every_other=base[1::2],
        spread=torch.tensor([[1.5], [2.5]]).expand(2, 3),
        double=shared,
        view=shared[2:5],
        half=torch.tensor([1.0, -2.5, 6e-8, float("inf")], dtype=torch.float16),
        bfloat=torch.tensor([1.0, -3.140625, 1e30], dtype=torch.bfloat16),
        scalar=torch.tensor(7.25),
        empty=torch.zeros(0, 3),
        count=torch.tensor(12),
        mask=torch.tensor([True, False]),
    )
    state["parameter"] = nn.Parameter(torch.tensor([0.5, 0.25]))
    whole = {"state_dict": state, "epoch": 3, "name": "a net", "rate": 1e-3, "nothing": None, "steps": [1, 2]}
    torch.save(whole, OUT / "tensors.pt")
    told = {}
    for name, t in state.items():
        if t.is_floating_point():
            told["state_dict." + name] = {"shape": list(t.shape), "data": [x if math.isfinite(x) else str(x) for x in t.double().flatten().tolist()]}
    (OUT / "tensors.json").write_text(json.dumps(told, indent=1) + "\n")


class Published(nn.Module):
    """The layout of the state: paper.md 1.12; the equations: (1)-(6) of package fit."""

    def __init__(self, widths, channels, vertices):
        super().__init__()
        mlp = lambda out: nn.Sequential(nn.Identity(), nn.Linear(192, 128), nn.GELU(), nn.Linear(128, 128), nn.GELU(), nn.Linear(128, out, bias=False))
        self.local_token_bottleneck = nn.ModuleList(nn.Conv2d(d, channels, 1, bias=False) for d in widths)
        self.global_token_bottleneck = nn.ModuleList(nn.Linear(d, channels, bias=False) for d in widths)
        self.space_selector_mlp, self.layer_selector_mlp, self.scale_selector_mlp = mlp(2), mlp(len(widths)), mlp(1)
        self.weight, self.bias = nn.Parameter(torch.empty(vertices, channels)), nn.Parameter(torch.empty(vertices))
        with torch.no_grad():
            for name, p in self.named_parameters():
                scale = 1 / 128 if ".1.weight" in name or ".3.weight" in name else 1 / 16
                p.copy_(coarse(*p.shape, scale=scale))

    def picks(self, positions):
        low = positions.min(0).values
        t = (positions - low) / (positions - low).max() * 100
        omega = 1000.0 ** (-torch.arange(32, dtype=positions.dtype) / 32)
        code = torch.stack([torch.sin(t[..., None] * omega), torch.cos(t[..., None] * omega)], -1).reshape(len(positions), 192)
        return (torch.tanh(self.space_selector_mlp(code)), torch.softmax(self.layer_selector_mlp(code), 1),
                torch.sigmoid(self.scale_selector_mlp(code))[:, 0])

    def forward(self, positions, local, whole):
        """local: [D, 8, 8] a layer; whole: [D]. One image's responses [V]."""
        space, layer, scale = self.picks(positions)
        out = self.bias.clone()
        for l, (z, g) in enumerate(zip(local, whole)):
            z = self.local_token_bottleneck[l](z[None])
            seen = F.grid_sample(z, space[None, :, None], mode="bilinear", padding_mode="zeros", align_corners=False)[0, :, :, 0].t()
            mixed = (1 - scale)[:, None] * seen + scale[:, None] * self.global_token_bottleneck[l](g)
            out = out + (layer[:, l, None] * mixed * self.weight).mean(1)
        return out


def published():
    widths, channels, vertices = [6, 6, 6], 4, 9
    net = Published(widths, channels, vertices)
    packed = io.BytesIO()
    torch.save(net.state_dict(), packed)
    (OUT / "published.pt.gz").write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    net = net.double()
    positions = torch.randint(-80, 81, (vertices, 3)).double()
    local, whole = [coarse(d, 8, 8).double() for d in widths], [coarse(d).double() for d in widths]
    with torch.no_grad():
        space, layer, scale = net.picks(positions)
        told = {"positions": positions.tolist(), "space": space.tolist(), "layer": layer.tolist(), "scale": scale.tolist(),
                "local": [x.tolist() for x in local], "global": [x.tolist() for x in whole], "responses": net(positions, local, whole).tolist()}
    (OUT / "published.json").write_text(json.dumps(told) + "\n")


tensors()
published()
