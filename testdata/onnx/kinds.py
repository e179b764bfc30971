"""Networks of kinds that the zoo needs and no library has small: detectors' backbones, nets of several streams, recurrent
and generative ones. Used by zoo.py."""
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

import build


class Conv(nn.Module):
    def __init__(self, i, o, k=1, s=1, g=1, act=nn.SiLU):
        super().__init__()
        self.conv, self.bn, self.act = nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o), act() if act else nn.Identity()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut=True):
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c, 1), Conv(c, c, 3), shortcut

    def forward(self, x):
        return x + self.cv2(self.cv1(x)) if self.add else self.cv2(self.cv1(x))


class C3(nn.Module):
    def __init__(self, i, o, n=1, shortcut=True):
        super().__init__()
        h = o // 2
        self.cv1, self.cv2, self.cv3 = Conv(i, h), Conv(i, h), Conv(2 * h, o)
        self.m = nn.Sequential(*[Bottleneck(h, shortcut) for _ in range(n)])

    def forward(self, x):
        return self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))


class C2f(nn.Module):
    def __init__(self, i, o, n=1, shortcut=True):
        super().__init__()
        self.c = o // 2
        self.cv1, self.cv2 = Conv(i, 2 * self.c), Conv((2 + n) * self.c, o)
        self.m = nn.ModuleList([Bottleneck(self.c, shortcut) for _ in range(n)])

    def forward(self, x):
        y = list(self.cv1(x).chunk(2, 1))
        for m in self.m:
            y.append(m(y[-1]))
        return self.cv2(torch.cat(y, 1))


class SPPF(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.cv1, self.cv2, self.m = Conv(i, i // 2), Conv(i * 2, o), nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        x = self.cv1(x)
        a = self.m(x)
        b = self.m(a)
        return self.cv2(torch.cat([x, a, b, self.m(b)], 1))


class Yolo(nn.Module):
    """YOLOv5/v8: CSP backbone, PAN neck, three heads."""

    def __init__(self, unit):
        super().__init__()
        w = [8, 12, 16, 24, 32]
        self.stem = Conv(3, w[0], 3, 2)
        self.down = nn.ModuleList([Conv(w[i], w[i + 1], 3, 2) for i in range(4)])
        self.stages = nn.ModuleList([unit(w[i + 1], w[i + 1], n) for i, n in enumerate((1, 2, 2, 1))])
        self.spp = SPPF(w[4], w[4])
        self.n1, self.n2, self.n3, self.n4 = unit(56, 24, 1, False), unit(40, 16, 1, False), unit(40, 24, 1, False), unit(56, 32, 1, False)
        self.d1, self.d2 = Conv(16, 16, 3, 2), Conv(24, 24, 3, 2)
        self.heads = nn.ModuleList([nn.Conv2d(c, 6, 1) for c in (16, 24, 32)])

    def forward(self, x):
        x = self.stem(x)
        f = []
        for d, s in zip(self.down, self.stages):
            x = s(d(x))
            f.append(x)
        x = self.spp(x)
        up = lambda t: F.interpolate(t, scale_factor=2.0)
        p4 = self.n1(torch.cat([up(x), f[2]], 1))
        p3 = self.n2(torch.cat([up(p4), f[1]], 1))
        q4 = self.n3(torch.cat([self.d1(p3), p4], 1))
        q5 = self.n4(torch.cat([self.d2(q4), x], 1))
        return tuple(h(t) for h, t in zip(self.heads, (p3, q4, q5)))


class ELAN(nn.Module):
    def __init__(self, i, o, n=2):
        super().__init__()
        c = o // 4
        self.a, self.b = Conv(i, c), Conv(i, c)
        self.m = nn.ModuleList([nn.Sequential(Conv(c, c, 3), Conv(c, c, 3)) for _ in range(n)])
        self.out = Conv((2 + n) * c, o)

    def forward(self, x):
        y = [self.a(x), self.b(x)]
        for m in self.m:
            y.append(m(y[-1]))
        return self.out(torch.cat(y, 1))


class Elans(nn.Module):
    def __init__(self):
        super().__init__()
        w = [8, 16, 24, 32, 48]
        self.stem = Conv(3, 8, 3, 2)
        self.down = nn.ModuleList([Conv(w[i], w[i + 1], 3, 2) for i in range(4)])
        self.stages = nn.ModuleList([ELAN(w[i + 1], w[i + 1]) for i in range(4)])
        self.head = nn.Linear(48, 5)

    def forward(self, x):
        x = self.stem(x)
        for d, s in zip(self.down, self.stages):
            x = s(d(x))
        return self.head(x.mean((2, 3)))


class ResUNet(nn.Module):
    """A U-Net whose encoder is a ResNet (segmentation_models' way)."""

    def __init__(self):
        super().__init__()
        self.body = build.NarrowResNet()
        w = (32, 24, 16, 8)
        self.up = nn.ModuleList([nn.Sequential(Conv(a + b, b, 3, act=nn.ReLU), Conv(b, b, 3, act=nn.ReLU)) for a, b in ((32, 24), (24, 16), (16, 8))])
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        b, m = self.body, []
        x = b.maxpool(b.relu(b.bn1(b.conv1(x))))
        for l in (b.layer1, b.layer2, b.layer3, b.layer4):
            x = l(x)
            m.append(x)
        for u, s in zip(self.up, (m[2], m[1], m[0])):
            x = u(torch.cat([F.interpolate(x, size=s.shape[-2:]), s], 1))
        return self.out(x)


class ResBlock(nn.Module):
    """VAE's and VQGAN's: norm, SiLU, conv, twice."""

    def __init__(self, i, o):
        super().__init__()
        self.n1, self.c1, self.n2, self.c2 = nn.GroupNorm(4, i), nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(4, o), nn.Conv2d(o, o, 3, padding=1)
        self.skip = nn.Conv2d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x):
        return self.skip(x) + self.c2(F.silu(self.n2(self.c1(F.silu(self.n1(x))))))


class AttnBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n, self.q, self.k, self.v, self.o = nn.GroupNorm(4, c), *[nn.Conv2d(c, c, 1) for _ in range(4)]

    def forward(self, x):
        n, c, h, w = x.shape
        y = self.n(x)
        q, k, v = [f(y).flatten(2).transpose(1, 2)[:, None] for f in (self.q, self.k, self.v)]
        y = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape(n, c, h, w)
        return x + self.o(y)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        w = [8, 8, 12, 16]
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.ModuleList()
        i = 8
        for s in w:
            self.down.append(nn.ModuleList([ResBlock(i, s), ResBlock(s, s)]))
            i = s
        self.pool = nn.ModuleList([nn.Conv2d(s, s, 3, 2, 1) for s in w[:3]])
        self.mid = nn.ModuleList([ResBlock(16, 16), AttnBlock(16), ResBlock(16, 16)])
        self.norm, self.out = nn.GroupNorm(4, 16), nn.Conv2d(16, 8, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        for k, d in enumerate(self.down):
            for b in d:
                x = b(x)
            if k < 3:
                x = self.pool[k](x)
        for m in self.mid:
            x = m(x)
        return self.out(F.silu(self.norm(x)))


class BagBlock(nn.Module):
    """BagNet's bottleneck: unpadded 3x3, the shortcut cropped."""

    def __init__(self, i, o, k, s):
        super().__init__()
        self.a, self.b, self.c = Conv(i, o // 2, act=nn.ReLU), Conv(o // 2, o // 2, 1, act=nn.ReLU), Conv(o // 2, o, act=None)
        self.b.conv = nn.Conv2d(o // 2, o // 2, k, s, 0, bias=False)
        self.down = Conv(i, o, 1, s, act=None) if i != o or s > 1 else nn.Identity()

    def forward(self, x):
        r = self.down(x)
        y = self.c(self.b(self.a(x)))
        d = r.size(-1) - y.size(-1)
        if d > 0:
            r = r[:, :, :-d, :-d]
        return F.relu(y + r)


class BagNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 8, 1, act=None), Conv(8, 8, 3, act=nn.ReLU))
        self.blocks = nn.ModuleList([BagBlock(8, 16, 3, 2), BagBlock(16, 16, 1, 1), BagBlock(16, 24, 3, 2), BagBlock(24, 24, 1, 1), BagBlock(24, 32, 3, 2), BagBlock(32, 32, 1, 1)])
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = b(x)
        return self.head(x.mean((2, 3)))


class Two(nn.Module):
    """Two networks side by side (fast and slow, colour and depth), joined at the end."""

    def __init__(self):
        super().__init__()
        def tower():
            block = torchvision.models.resnet.BasicBlock
            return nn.Sequential(Conv(3, 8, 7, 4, act=nn.ReLU), *[block(8, 8) for _ in range(3)], Conv(8, 12, 3, 2, act=nn.ReLU), *[block(12, 12) for _ in range(3)])
        self.a, self.b, self.head = tower(), tower(), nn.Linear(24, 5)

    def forward(self, x):
        return self.head(torch.cat([self.a(x).mean((2, 3)), self.b(x).mean((2, 3))], 1))


class Lateral(nn.Module):
    """A recurrent net unrolled: layers with lateral and top-down connections over four steps (BLT)."""

    def __init__(self):
        super().__init__()
        self.b1, self.b2, self.b3 = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 16, 3, 2, 1)
        self.l1, self.l2, self.l3 = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(12, 12, 3, 1, 1), nn.Conv2d(16, 16, 3, 1, 1)
        self.m1, self.m2, self.m3 = nn.Identity(), nn.Identity(), nn.Identity()
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        h1 = h2 = h3 = None
        for _ in range(4):
            h1 = self.m1(F.relu(self.b1(x) + (0 if h1 is None else self.l1(h1))))
            h2 = self.m2(F.relu(self.b2(h1) + (0 if h2 is None else self.l2(h2))))
            h3 = self.m3(F.relu(self.b3(h2) + (0 if h3 is None else self.l3(h3))))
        return self.head(h3.mean((2, 3)))


class VOne(nn.Module):
    """VOneNet-like front: fixed Gabor filters, simple and complex cells, then residual blocks."""

    def __init__(self):
        super().__init__()
        self.simple, self.q0, self.q1 = nn.Conv2d(3, 8, 9, 2, 4), nn.Conv2d(3, 8, 9, 2, 4), nn.Conv2d(3, 8, 9, 2, 4)
        self.bottleneck = nn.Conv2d(16, 8, 1, bias=False)
        self.body = build.NarrowResNet()

    def forward(self, x):
        s = F.relu(self.simple(x))
        c = torch.sqrt(self.q0(x) ** 2 + self.q1(x) ** 2) / 1.414
        x = self.bottleneck(torch.cat([s, c], 1))
        b = self.body
        x = b.maxpool(x)
        for l in (b.layer1, b.layer2, b.layer3, b.layer4):
            x = l(x)
        return b.fc(x.mean((2, 3)))


class DiT(nn.Module):
    """adaLN: gates and shifts from a second input."""

    def __init__(self):
        super().__init__()
        d = 24
        class Bl(nn.Module):
            def __init__(s):
                super().__init__()
                s.n1, s.n2 = nn.LayerNorm(d, elementwise_affine=False), nn.LayerNorm(d, elementwise_affine=False)
                s.qkv, s.o, s.f1, s.f2, s.ada = nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(2 * d, d), nn.Linear(d, 6 * d)

            def forward(s, x, c):
                a, b, g, e, f, h = s.ada(F.silu(c)).chunk(6, 1)
                m = lambda t, sh, sc: t * (1 + sc[:, None]) + sh[:, None]
                n, l, _ = x.shape
                q, k, v = s.qkv(m(s.n1(x), a, b)).reshape(n, l, 3, 2, 12).permute(2, 0, 3, 1, 4).unbind(0)
                x = x + g[:, None] * s.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, l, d))
                return x + h[:, None] * s.f2(F.gelu(s.f1(m(s.n2(x), e, f)), approximate="tanh"))
        self.p, self.t = nn.Conv2d(3, d, 8, 8), nn.Linear(1, d)
        self.blocks = nn.ModuleList([Bl() for _ in range(4)])
        self.out = nn.Linear(d, 8)
        self.pos = nn.Parameter(torch.randn(1, 64, d) * .3)

    def forward(self, x, t):
        c = self.t(t)
        x = self.p(x).flatten(2).transpose(1, 2) + self.pos
        for b in self.blocks:
            x = b(x, c)
        return self.out(x)


class LocalViT(nn.Module):
    """TinyViT's blocks: a depthwise convolution without a way round it between attention and MLP."""

    class Block(nn.Module):
        def __init__(self, d):
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.qkv, self.o, self.f1, self.f2 = nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
            self.local, self.bn = nn.Conv2d(d, d, 3, 1, 1, groups=d, bias=False), nn.BatchNorm2d(d)

        def forward(self, x):
            n, l, d = x.shape
            q, k, v = self.qkv(self.n1(x)).reshape(n, l, 3, 2, d // 2).permute(2, 0, 3, 1, 4).unbind(0)
            x = x + self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, l, d))
            x = self.bn(self.local(x.transpose(1, 2).reshape(n, d, 8, 8))).flatten(2).transpose(1, 2)
            return x + self.f2(F.gelu(self.f1(self.n2(x))))

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, 8)
        self.blocks = nn.ModuleList([self.Block(16) for _ in range(4)])
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        for b in self.blocks:
            x = b(x)
        return self.head(x.mean(1))
