"""One training step of FactorTopy in its plain form, for comparison: float32 PyTorch, every vertex's own [B, V, C]
tokens by grid_sample, gradients by autograd. Prints milliseconds an image, the best of a few steps.

python plain_step.py VERTICES LAYERS WIDTH CHANNELS BATCH THREADS REPEATS
"""
import sys
import time

import torch
import torch.nn.functional as F

V, L, D, C, B, threads, repeats = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(0)


def mlp(out):
    return torch.nn.Sequential(torch.nn.Linear(192, 128), torch.nn.GELU(), torch.nn.Linear(128, 128), torch.nn.GELU(),
                               torch.nn.Linear(128, out, bias=False))


space, layer, scale = mlp(2), mlp(L), mlp(1)
local = torch.nn.ModuleList(torch.nn.Conv2d(D, C, 1, bias=False) for _ in range(L))
whole = torch.nn.ModuleList(torch.nn.Linear(D, C, bias=False) for _ in range(L))
weight = torch.nn.Parameter(torch.randn(V, C) / C**0.5)
bias = torch.nn.Parameter(torch.zeros(V))
code = torch.randn(V, 192)
grid = [torch.randn(B, D, 8, 8) for _ in range(L)]
token = [torch.randn(B, D) for _ in range(L)]
target = torch.randn(B, V)
parameters = [weight, bias] + [p for m in (space, layer, scale, local, whole) for p in m.parameters()]
optimiser = torch.optim.AdamW(parameters, lr=1e-3)


def step():
    optimiser.zero_grad()
    at = torch.tanh(space(code))[None, :, None, :].expand(B, V, 1, 2)
    p, s = torch.softmax(layer(code), 1), torch.sigmoid(scale(code))
    v = 0
    for l in range(L):
        here = F.grid_sample(local[l](grid[l]), at, align_corners=False)[..., 0].transpose(1, 2)  # [B, V, C]
        v = v + p[:, l, None] * ((1 - s) * here + s * whole[l](token[l])[:, None, :])
    loss = F.smooth_l1_loss((v * weight).mean(2) + bias, target, beta=0.1)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 0.5)
    optimiser.step()


step()
best = float("inf")
for _ in range(repeats):
    start = time.perf_counter()
    step()
    best = min(best, time.perf_counter() - start)
print(1e3 * best / B)
