"""Makes the zoo: small networks of every kind that people export, and what PyTorch says about their blocks.
Run by hand, never by CI:

    python zoo.py [FOLDER [NAME ...]]    # needs torch 2.15, torchvision 0.29, timm 1.0.31, onnx 1.23, onnxscript; networks that no library has small are in kinds.py

Into FOLDER (default: zoo/ beside this script) go, for each network NAME (random weights, fixed seed):
    NAME.ts.onnx.gz, NAME.dyn.onnx.gz   torch's TorchScript (opset 17) and dynamo (opset 18) exporters, as far as they can
    NAME.npy                      float32, flat: for each block module in order [65, width], its output for
                                  picture(), caught by a forward hook and brought to the 8x8 grid in float64 by
                                  the rule "sound" of build.py; the last token is the class token or the mean
    NAME.json                     side of the picture; the blocks' module names, layouts, grids, prefix tokens, widths

Networks in NETWORKS are committed. Those in OTHERS are not, for their size: FOLDER must be given, and the Go
test reads them from there (CORTEXMAP_ZOO=FOLDER go test ./extract -run Zoo).
"""
import gzip
import json
import pathlib
import re
import sys
import warnings
from functools import partial

import numpy as np
import onnx
import timm
import torch
import torch.nn.functional as F
import torchvision
from timm import models as tm
from timm.layers import set_fused_attn
from torch import nn

import build
import kinds

warnings.filterwarnings("ignore")
tv = torchvision.models
BATCH = torch.export.Dim("batch", min=1, max=64)


def T(name, **settings):
    return lambda: timm.create_model(name, pretrained=False, num_classes=5, **settings)


def vit(**settings):
    base = dict(img_size=64, patch_size=8, embed_dim=16, depth=5, num_heads=2, mlp_ratio=2, num_classes=5)
    return lambda: tm.vision_transformer.VisionTransformer(**{**base, **settings})


class DoubleConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(i, o, 3, padding=1), nn.Conv2d(o, o, 3, padding=1)
        self.skip, self.norm = nn.Conv2d(i, o, 1), nn.GroupNorm(4, o)

    def forward(self, x):
        return self.skip(x) + self.c2(F.silu(self.norm(self.c1(x))))


class UNet(nn.Module):
    """A diffusion model's U-Net: residual blocks, skip connections, a time step as second input."""

    def __init__(self):
        super().__init__()
        w = [8, 12, 16, 16]
        self.stem, self.time = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(1, 8)
        self.down = nn.ModuleList([DoubleConv(w[max(i - 1, 0)], w[i]) for i in range(4)])
        self.mid = nn.ModuleList([DoubleConv(16, 16), DoubleConv(16, 16)])
        self.up = nn.ModuleList([DoubleConv(32, 16), DoubleConv(32, 12), DoubleConv(24, 8), DoubleConv(16, 8)])
        self.out = nn.Conv2d(8, 3, 1)

    def forward(self, x, t):
        x = self.stem(x) + self.time(t)[:, :, None, None]
        kept = []
        for d in self.down:
            x = d(x)
            kept.append(x)
            x = F.avg_pool2d(x, 2)
        for m in self.mid:
            x = m(x)
        for u in self.up:
            x = u(torch.cat([F.interpolate(x, scale_factor=2.0), kept.pop()], 1))
        return self.out(x)


class PlainUNet(nn.Module):
    """The first U-Net, for segmentation: no residual sums at all."""

    def __init__(self):
        super().__init__()
        def pair(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())
        w = [8, 12, 16, 16]
        self.down = nn.ModuleList([pair(i, o) for i, o in zip([3] + w, w)])
        self.up = nn.ModuleList([pair(32, 12), pair(24, 8), pair(16, 8)])
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        kept = []
        for i, d in enumerate(self.down):
            x = d(x)
            if i < 3:
                kept.append(x)
                x = F.max_pool2d(x, 2)
        for u in self.up:
            x = u(torch.cat([F.interpolate(x, scale_factor=2.0), kept.pop()], 1))
        return self.out(x)


class CorBlock(nn.Module):
    """CORnet-S: the same weights several times, a block being one pass of them."""

    def __init__(self, i, o, times):
        super().__init__()
        self.times = times
        self.inp, self.skip = nn.Conv2d(i, o, 1, bias=False), nn.Conv2d(o, o, 1, stride=2, bias=False)
        self.c1, self.c3 = nn.Conv2d(o, 2 * o, 1, bias=False), nn.Conv2d(2 * o, o, 1, bias=False)
        self.c2 = nn.ModuleList([nn.Conv2d(2 * o, 2 * o, 3, 2 if k == 0 else 1, 1, bias=False) for k in range(times)][:2])
        self.norms = nn.ModuleList([nn.BatchNorm2d(o) for _ in range(times)])
        self.mark = nn.Identity()

    def forward(self, x):
        x = self.inp(x)
        for t in range(self.times):
            skip = self.skip(x) if t == 0 else x
            x = self.c2[min(t, 1)](F.relu(self.c1(x)))
            x = self.mark(F.relu(self.norms[t](self.c3(F.relu(x))) + skip))
        return x


class CORnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.v1 = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.v2, self.v4, self.it = CorBlock(8, 12, 2), CorBlock(12, 16, 4), CorBlock(16, 16, 2)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.it(self.v4(self.v2(self.v1(x)))).mean((2, 3)))


class SharedViT(nn.Module):
    """One block applied six times (ALBERT's way, looped transformers)."""

    def __init__(self):
        super().__init__()
        m = vit(depth=1)()
        self.m, self.mark = m, nn.Identity()

    def forward(self, x):
        x = self.m._pos_embed(self.m.patch_embed(x))
        for _ in range(6):
            x = self.mark(self.m.blocks[0](x))
        return self.m.head(self.m.norm(x)[:, 0])


class Hidden(nn.Module):
    """Every hidden state is an output, as transformers' output_hidden_states gives them."""

    def __init__(self):
        super().__init__()
        self.m = vit()()

    def forward(self, x):
        x = self.m._pos_embed(self.m.patch_embed(x))
        out = [x]
        for b in self.m.blocks:
            x = b(x)
            out.append(x)
        return self.m.head(self.m.norm(x)[:, 0]), *out


class PostNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Conv2d(3, 24, 8, 8)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(24, 3, 48, batch_first=True, norm_first=False) for _ in range(5)])
        self.h = nn.Linear(24, 5)

    def forward(self, x):
        x = self.p(x).flatten(2).transpose(1, 2)
        for b in self.blocks:
            x = b(x)
        return self.h(x.mean(1))


class Detector(nn.Module):
    """A ResNet with a feature pyramid: several outputs, of which none is the deepest map itself."""

    def __init__(self):
        super().__init__()
        body = build.NarrowResNet()
        self.body = body
        self.lateral = nn.ModuleList([nn.Conv2d(w, 8, 1) for w in (8, 16, 24, 32)])
        self.smooth = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(4)])

    def forward(self, x):
        b, maps = self.body, []
        x = b.maxpool(b.relu(b.bn1(b.conv1(x))))
        for layer in (b.layer1, b.layer2, b.layer3, b.layer4):
            x = layer(x)
            maps.append(x)
        top, out = None, []
        for i in (3, 2, 1, 0):
            y = self.lateral[i](maps[i])
            top = y if top is None else y + F.interpolate(top, scale_factor=2.0)
            out.append(self.smooth[i](top))
        return tuple(out)


class NarrowVGG(nn.Module):
    def __init__(self, norm):
        super().__init__()
        layers, i = [], 3
        for w in (8, "M", 12, "M", 16, 16, "M", 16, 16, "M"):
            if w == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(i, w, 3, padding=1)] + ([nn.BatchNorm2d(w)] if norm else []) + [nn.ReLU()]
            i = w
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 5))

    def forward(self, x):
        return self.classifier(self.features(x))


class NarrowAlex(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 12, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(12, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5))
        self(torch.zeros(1, 3, 112, 112))

    def forward(self, x):
        return self.classifier(self.features(x))


class Inception(nn.Module):
    """GoogLeNet's module, six times: four branches joined."""

    def __init__(self):
        super().__init__()
        def conv(i, o, k):
            return nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        class Module(nn.Module):
            def __init__(self, i):
                super().__init__()
                self.a, self.b = conv(i, 4, 1), nn.Sequential(conv(i, 4, 1), conv(4, 6, 3))
                self.c, self.d = nn.Sequential(conv(i, 3, 1), conv(3, 4, 5)), nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(i, 4, 1))
            def forward(self, x):
                return torch.cat([self.a(x), self.b(x), self.c(x), self.d(x)], 1)
        self.stem = nn.Sequential(conv(3, 8, 7), nn.MaxPool2d(2), conv(8, 12, 3), nn.MaxPool2d(2))
        self.mixed = nn.ModuleList([Module(12)] + [Module(18) for _ in range(5)])
        self.head = nn.Linear(18, 5)

    def forward(self, x):
        x = self.stem(x)
        for i, m in enumerate(self.mixed):
            x = m(x)
            if i in (1, 3):
                x = F.max_pool2d(x, 3, 2, 1)
        return self.head(x.mean((2, 3)))


class Squeeze(nn.Module):
    def __init__(self):
        super().__init__()
        fire = tv.squeezenet.Fire
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), fire(8, 4, 6, 6), fire(12, 4, 6, 6),
                                      nn.MaxPool2d(3, 2, ceil_mode=True), fire(12, 4, 8, 8), fire(16, 4, 8, 8))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(16, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


class Streams(nn.Module):
    """HRNet's idea: maps of two resolutions side by side, exchanged after each pair of residual blocks."""

    def __init__(self):
        super().__init__()
        block = tv.resnet.BasicBlock
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.layer1 = nn.Sequential(block(8, 8), block(8, 8))
        self.split = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())
        self.high = nn.ModuleList([nn.Sequential(block(8, 8), block(8, 8)) for _ in range(3)])
        self.low = nn.ModuleList([nn.Sequential(block(12, 12), block(12, 12)) for _ in range(3)])
        self.up = nn.ModuleList([nn.Conv2d(12, 8, 1) for _ in range(3)])
        self.down = nn.ModuleList([nn.Conv2d(8, 12, 3, 2, 1) for _ in range(3)])
        self.head = nn.Linear(20, 5)

    def forward(self, x):
        a = self.layer1(self.stem(x))
        b = self.split(a)
        for h, l, u, d in zip(self.high, self.low, self.up, self.down):
            a, b = h(a), l(b)
            a, b = F.relu(a + F.interpolate(u(b), scale_factor=2.0)), F.relu(b + d(a))
        return self.head(torch.cat([a.mean((2, 3)), b.mean((2, 3))], 1))


def sam():
    return tm.vision_transformer_sam.VisionTransformerSAM(img_size=128, patch_size=16, embed_dim=24, depth=6, num_heads=3, mlp_ratio=2, num_classes=5,
                                                          use_rel_pos=True, window_size=3, global_attn_indexes=(2, 5), neck_chans=16)


def hiera():
    return tm.hiera.Hiera(img_size=(64, 64), embed_dim=12, stages=(1, 2, 2, 1), mask_unit_size=(4, 4), q_pool=2, num_classes=5, mlp_ratio=2,
                          mask_unit_attn=(True, True, False, False), drop_path_rate=0.0)


def maxvit(block, **settings):
    c, t = tm.maxxvit.MaxxVitConvCfg(), tm.maxxvit.MaxxVitTransformerCfg(dim_head=8, window_size=(4, 4), **settings)
    return lambda: tm.maxxvit.MaxxVit(tm.maxxvit.MaxxVitCfg(embed_dim=(8, 16, 16), depths=(2, 2, 2), block_type=block, stem_width=8, conv_cfg=c, transformer_cfg=t), img_size=64, num_classes=5)


def mvit():
    cfg = tm.mvitv2.MultiScaleVitCfg(depths=(1, 2, 2), embed_dim=12, num_heads=1, mlp_ratio=2, patch_kernel=(7, 7), patch_stride=(4, 4))
    return tm.mvitv2.MultiScaleVit(cfg, img_size=(64, 64), num_classes=5)


class Separable(nn.Module):
    """MobileNet's first version: depthwise and 1x1 convolutions in turn, no way round them."""

    def __init__(self):
        super().__init__()
        def pair(i, o, stride):
            return nn.Sequential(nn.Conv2d(i, i, 3, stride, 1, groups=i, bias=False), nn.BatchNorm2d(i), nn.ReLU(), nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(*[pair(i, o, s) for i, o, s in ((8, 12, 1), (12, 16, 2), (16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 24, 1))])
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def vovnet():
    cfg = dict(stem_chs=[8, 8, 8], stage_conv_chs=[8, 8, 12, 12], stage_out_chs=[16, 16, 24, 24], layer_per_block=3, block_per_stage=[1, 1, 1, 1], residual=True, depthwise=True, attn="ese")
    return tm.vovnet.VovNet(cfg, num_classes=5)


def nfnet():
    cfg = tm.nfnet.NfCfg(depths=(1, 2, 2, 2), channels=(16, 24, 32, 32), stem_type="3x3", stem_chs=8, group_size=None, bottle_ratio=0.25, num_features=0, act_layer="relu")
    return tm.nfnet.NormFreeNet(cfg, num_classes=5)


def efficientnet():
    settings, last = tv.efficientnet._efficientnet_conf("efficientnet_b0", width_mult=0.1, depth_mult=0.6)
    return tv.efficientnet.EfficientNet(settings, 0.0, stochastic_depth_prob=0.0, num_classes=5, last_channel=32)


def mixnet():
    net = tm.efficientnet._gen_mixnet_s("mixnet_s", channel_multiplier=0.2, num_classes=5)
    net.conv_head = nn.Conv2d(net.conv_head.in_channels, 64, 1, bias=False)
    net.bn2, net.classifier = timm.layers.BatchNormAct2d(64), nn.Linear(64, 5)
    return net


def universal():
    """MobileNetV4's units in one row: inverted bottlenecks of three kinds, channel mixing alone, attention; with group norm."""
    stages = [
        ["er_r1_k3_s2_e4_c12"],
        ["uir_r1_a3_k3_s2_e2_c16", "uir_r1_a3_k3_s1_e2_c16", "uir_r1_a3_k0_s1_e2_c16", "uir_r1_a0_k0_s1_e2_c16", "uir_r1_a3_k0_s1_e2_c16"],
        ["uir_r1_a3_k3_s2_e2_c24", "uir_r1_a3_k3_s1_e2_c24", "uir_r1_a0_k0_s1_e2_c24", "uir_r1_a0_k0_s1_e2_c24",
         "mqa_r1_k3_h2_s1_d12_c24", "uir_r1_a3_k0_s1_e2_c24", "mqa_r1_k3_h2_s1_d12_c24", "uir_r1_a3_k3_s1_e2_c24"],
    ]
    args = tm._efficientnet_builder.decode_arch_def(stages)
    return tm.efficientnet.EfficientNet(args, num_features=32, stem_size=8, num_classes=5, norm_layer=partial(timm.layers.GroupNormAct, num_groups=4))


def mobilenetv2():
    net = tv.MobileNetV2(num_classes=5, width_mult=0.1)
    last = nn.Sequential(nn.Conv2d(32, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU6())
    net.features[18], net.classifier = last, nn.Linear(64, 5)  # in place of 1280 channels, at any width
    return net


def mobilenetv3():
    settings, _ = tv.mobilenetv3._mobilenet_v3_conf("mobilenet_v3_small", width_mult=0.15)
    return tv.mobilenetv3.MobileNetV3(settings, 32, num_classes=5)


def csp():
    stages = tm.cspnet.CspStagesCfg(depth=(2, 3, 2), out_chs=(16, 24, 32), stride=(2, 2, 2), expand_ratio=1.0, bottle_ratio=1.0, block_ratio=0.5, cross_linear=True, block_type="dark")
    return tm.cspnet.CspNet(tm.cspnet.CspModelCfg(stem=tm.cspnet.CspStemCfg(out_chs=8, kernel_size=3, stride=2, pool=""), stages=stages), num_classes=5)


R = tm.resnet
# name: (constructor, pattern of the block modules, layout of their outputs, prefix tokens, side of the picture)
NETWORKS = {
    "registers": (vit(reg_tokens=4, init_values=0.2), r"blocks\.\d+", "NLC", 5, 64),
    "pooled": (vit(class_token=False, global_pool="avg"), r"blocks\.\d+", "NLC", 0, 64),
    "siglip": (vit(class_token=False, global_pool="map"), r"blocks\.\d+", "NLC", 0, 64),
    "deit": (lambda: tm.deit.VisionTransformerDistilled(img_size=64, patch_size=8, embed_dim=16, depth=5, num_heads=2, mlp_ratio=2, num_classes=5), r"blocks\.\d+", "NLC", 2, 64),
    "beit": (lambda: tm.beit.Beit(img_size=64, patch_size=8, embed_dim=16, depth=5, num_heads=2, mlp_ratio=2, use_rel_pos_bias=True, use_abs_pos_emb=False, init_values=0.2, num_classes=5), r"blocks\.\d+", "NLC", 1, 64),
    "eva": (lambda: tm.eva.Eva(img_size=64, patch_size=8, embed_dim=16, depth=5, num_heads=2, mlp_ratio=2, swiglu_mlp=True, scale_mlp=True, use_rot_pos_emb=True, num_classes=5), r"blocks\.\d+", "NLC", 1, 64),
    "parallel": (vit(block_fn=tm.vision_transformer.ParallelThingsBlock), r"blocks\.\d+", "NLC", 1, 64),
    "hidden": (Hidden, r"m\.blocks\.\d+", "NLC", 1, 64),
    "postnorm": (PostNorm, r"blocks\.\d", "NLC", 0, 64),
    "shared": (SharedViT, r"mark", "NLC", 1, 64),
    "sam": (sam, r"blocks\.\d+", "NHWC", 0, 128),
    "swin": (lambda: tm.swin_transformer.SwinTransformer(img_size=64, embed_dim=12, depths=(2, 2, 2), num_heads=(2, 2, 4), window_size=4, mlp_ratio=2, num_classes=5), r"layers\.\d\.blocks\.\d+", "NHWC", 0, 64),
    "swinv2": (lambda: tv.swin_transformer.SwinTransformer([4, 4], 8, [1, 2], [1, 2], [4, 4], mlp_ratio=2, num_classes=5, block=tv.swin_transformer.SwinTransformerBlockV2, downsample_layer=tv.swin_transformer.PatchMergingV2), r"features\.[13]\.\d+", "NHWC", 0, 64),
    "hiera": (hiera, r"blocks\.\d+", "HIERA", 0, 64),
    "mvit": (mvit, r"stages\.\d\.blocks\.\d+", "NLC", 0, 64),
    "maxvit": (maxvit(("M", "M", "M")), r"stages\.\d\.blocks\.\d+", "NCHW", 0, 64),
    "coatnet": (maxvit(("C", "C", "T"), rel_pos_type="bias"), r"stages\.\d\.blocks\.\d+", "NCHW", 0, 64),
    "efficientvit": (lambda: tm.efficientvit_mit.EfficientVit(widths=(8, 8, 12, 16, 16), depths=(1, 1, 2, 2, 2), head_dim=8, head_widths=(24, 24), num_classes=5), r"stem\.res0|stages\.\d\.blocks\.\d+", "NCHW", 0, 64),
    "levit": (lambda: tm.levit.Levit(img_size=128, embed_dim=(16, 24, 32), key_dim=8, depth=(2, 2, 2), num_heads=(2, 3, 4), num_classes=5), r"stages\.\d\.blocks\.\d+|stages\.[12]\.downsample", "NLC", 0, 128),
    "xcit": (lambda: tm.xcit.Xcit(img_size=128, patch_size=16, embed_dim=16, depth=5, num_heads=2, mlp_ratio=2, eta=0.5, num_classes=5), r"blocks\.\d+", "NLC", 0, 128),
    "pvt": (lambda: tm.pvt_v2.PyramidVisionTransformerV2(depths=(2, 2, 2), embed_dims=(8, 16, 16), num_heads=(1, 2, 2), sr_ratios=(4, 2, 1), mlp_ratios=(2, 2, 2), num_classes=5), r"stages\.\d\.blocks\.\d+", "NLC", 0, 64),
    "volo": (lambda: tm.volo.VOLO([2, 2, 2], img_size=64, stem_hidden_dim=8, embed_dims=[16, 24, 24], num_heads=[2, 3, 3], downsamples=(True, False, False), outlook_attention=(True, False, False), mlp_ratio=2, num_classes=5, use_aux_head=False), r"network\.\d\.\d+", "NHWC", 0, 64),
    "convnext": (lambda: tm.convnext.ConvNeXt(depths=(2, 2, 3, 2), dims=(8, 12, 16, 24), ls_init_value=0.3, num_classes=5), r"stages\.\d\.blocks\.\d+", "NCHW", 0, 96),
    "convnextv2": (lambda: tm.convnext.ConvNeXt(depths=(2, 2, 2, 2), dims=(8, 12, 16, 16), use_grn=True, ls_init_value=None, num_classes=5), r"stages\.\d\.blocks\.\d+", "NCHW", 0, 64),
    "focalnet": (lambda: tm.focalnet.FocalNet(embed_dim=12, depths=(2, 2, 2), focal_levels=(2, 2, 2), focal_windows=(3, 3, 3), mlp_ratio=2, layerscale_value=0.3, num_classes=5), r"layers\.\d\.blocks\.\d+", "NCHW", 0, 64),
    "poolformer": (lambda: tm.metaformer.MetaFormer(depths=(2, 2, 2, 2), dims=(8, 12, 16, 16), token_mixers=tm.metaformer.Pooling, layer_scale_init_values=0.3, num_classes=5, use_mlp_head=False), r"stages\.\d\.blocks\.\d+", "NCHW", 0, 96),
    "mixer": (lambda: tm.mlp_mixer.MlpMixer(img_size=64, patch_size=8, num_blocks=5, embed_dim=24, mlp_ratio=(0.5, 2.0), num_classes=5), r"blocks\.\d+", "NLC", 0, 64),
    "resmlp": (lambda: tm.mlp_mixer.MlpMixer(img_size=64, patch_size=8, num_blocks=5, embed_dim=24, mlp_ratio=2.0, block_layer=partial(tm.mlp_mixer.ResBlock, init_values=0.3), norm_layer=tm.mlp_mixer.Affine, num_classes=5), r"blocks\.\d+", "NLC", 0, 64),
    "resnet": (lambda: R.ResNet(R.Bottleneck, (2, 2, 2, 2), channels=(4, 6, 8, 8), stem_width=8, num_classes=5), r"layer\d\.\d", "NCHW", 0, 96),
    "senet": (lambda: R.ResNet(R.Bottleneck, (2, 2, 1, 1), channels=(8, 8, 8, 8), cardinality=2, base_width=32, stem_width=8, block_args=dict(attn_layer="se"), num_classes=5), r"layer\d\.\d", "NCHW", 0, 64),
    "preactivation": (lambda: tm.resnetv2.ResNetV2(layers=(2, 2, 2, 2), channels=(16, 24, 32, 32), stem_chs=8, num_classes=5, norm_layer=partial(timm.layers.GroupNormAct, num_groups=4)), r"stages\.\d\.blocks\.\d+", "NCHW", 0, 96),
    "res2net": (lambda: R.ResNet(tm.res2net.Bottle2neck, (2, 2, 1, 1), channels=(4, 6, 8, 8), base_width=26, block_args=dict(scale=4), stem_width=8, num_classes=5), r"layer\d\.\d", "NCHW", 0, 64),
    "regnet": (lambda: tm.regnet.RegNet(tm.regnet.RegNetCfg(w0=8, wa=8.0, wm=2.0, group_size=4, depth=6, se_ratio=0.25, stem_width=8), num_classes=5), r"s\d\.b\d+", "NCHW", 0, 96),
    "densenet": (lambda: tv.DenseNet(growth_rate=4, block_config=(2, 3, 3), num_init_features=8, num_classes=5), r"features\.(denseblock\d|transition\d)", "NCHW", 0, 96),
    "efficientnet": (efficientnet, r"features\.[1-7]\.\d+", "NCHW", 0, 96),
    "mobilenetv2": (mobilenetv2, r"features\.([1-9]|1[0-7])", "NCHW", 0, 96),
    "mobilenetv3": (mobilenetv3, r"features\.([1-9]|1[01])", "NCHW", 0, 96),
    "separable": (Separable, r"blocks\.\d", "NCHW", 0, 64),
    "vovnet": (vovnet, r"stages\.\d\.blocks\.\d+", "NCHW", 0, 96),
    "nfnet": (nfnet, r"stages\.\d\.\d+", "NCHW", 0, 96),
    "silu": (lambda: R.ResNet(R.BasicBlock, (2, 2, 2, 1), channels=(8, 12, 16, 16), stem_width=8, act_layer=nn.SiLU, num_classes=5), r"layer\d\.\d", "NCHW", 0, 96),
    "gelu": (lambda: R.ResNet(R.BasicBlock, (2, 2, 2, 1), channels=(8, 12, 16, 16), stem_width=8, act_layer=timm.layers.GELU, num_classes=5), r"layer\d\.\d", "NCHW", 0, 96),
    "vgg": (lambda: NarrowVGG(False), r"features\.(1|4|7|9|12|14)", "NCHW", 0, 64),
    "vggbn": (lambda: NarrowVGG(True), r"features\.(2|6|10|13|17|20)", "NCHW", 0, 64),
    "alexnet": (NarrowAlex, r"features\.(1|4|7|9|11)", "NCHW", 0, 112),
    "squeezenet": (Squeeze, r"features\.(3|4|6|7)", "NCHW", 0, 64),
    "inception": (Inception, r"mixed\.\d", "NCHW", 0, 64),
    "unet": (UNet, r"(down|mid)\.\d", "NCHW", 0, 64),
    "plainunet": (PlainUNet, r"down\.\d\.(2|5)", "NCHW", 0, 64),
    "pyramid": (Detector, r"body\.layer\d\.\d", "NCHW", 0, 96),
    "cornet": (CORnet, r"(v2|v4|it)\.mark", "NCHW", 0, 64),
    "lateral": (kinds.Lateral, r"m\d", "NCHW", 0, 64),
    "streams": (Streams, r"layer1\.\d|(high|low)\.\d\.\d", "NCHW", 0, 64),
    "two": (kinds.Two, r"[ab]\.([1-3]|[5-7])", "NCHW", 0, 96),
    "yolov5": (lambda: kinds.Yolo(kinds.C3), r"stages\.\d|spp", "NCHW", 0, 128),
    "yolov8": (lambda: kinds.Yolo(kinds.C2f), r"stages\.\d|spp", "NCHW", 0, 128),
    "elan": (kinds.Elans, r"stages\.\d", "NCHW", 0, 128),
    "csp": (csp, r"stages\.\d\.blocks\.\d", "NCHW", 0, 96),
    "dla": (lambda: tm.dla.DLA([1, 1, 1, 2, 2, 1], [8, 8, 8, 12, 16, 24], block=tm.dla.DlaBasic, num_classes=5), r"level[25]\.tree[12]|level[34]\.tree[12]\.tree[12]", "NCHW", 0, 128),
    "bagnet": (kinds.BagNet, r"blocks\.\d", "NCHW", 0, 64),
    "vone": (kinds.VOne, r"body\.layer\d\.\d", "NCHW", 0, 96),
    "shufflenet": (lambda: tv.ShuffleNetV2([2, 3, 2], [8, 16, 24, 32, 32], num_classes=5), r"stage\d\.\d", "NCHW", 0, 96),
    "resunet": (kinds.ResUNet, r"body\.layer\d\.\d", "NCHW", 0, 96),
    "vae": (kinds.VAE, r"down\.\d\.\d|mid\.\d", "NCHW", 0, 64),
    "dit": (kinds.DiT, r"blocks\.\d", "NLC", 0, 64),
    "crossvit": (lambda: tm.crossvit.CrossVit(img_size=64, img_scale=(1.0, 1.0), patch_size=(8, 16), embed_dim=(12, 24), depth=((1, 2, 0), (1, 2, 0)), num_heads=(2, 2), mlp_ratio=(2, 2, 1), num_classes=5), r"blocks\.\d\.blocks\.[01]\.\d", "NLC", 1, 64),
    "pit": (lambda: tm.pit.PoolingVisionTransformer(img_size=64, patch_size=8, stride=4, base_dims=[8, 8, 8], depth=[2, 2, 2], heads=[1, 2, 4], mlp_ratio=2, num_classes=5), r"transformers\.\d\.blocks\.\d", "NLC", 1, 64),
    "twins": (lambda: tm.twins.Twins(img_size=64, embed_dims=(8, 12, 16, 24), num_heads=(1, 2, 2, 2), mlp_ratios=(2, 2, 2, 2), depths=(2, 2, 4, 2), wss=(4, 4, 4, 2), sr_ratios=(4, 2, 1, 1), block_cls=tm.twins.Block, num_classes=5), r"blocks\.\d\.\d", "NLC", 0, 64),
    "fastvit": (lambda: tm.fastvit.FastVit(layers=(2, 2, 3), embed_dims=(8, 16, 32), mlp_ratios=(2, 2, 2), token_mixers=("repmixer", "repmixer", "attention"), downsamples=(False, True, True), se_downsamples=(False,) * 3, pos_embs=(None, None, partial(tm.fastvit.RepConditionalPosEnc, spatial_shape=(3, 3))), layer_scale_init_value=0.3, cls_ratio=2.0, num_classes=5), r"stages\.\d\.blocks\.\d+", "NCHW", 0, 128),
    "sequencer": (lambda: tm.sequencer.Sequencer2d(img_size=64, layers=(2, 2), patch_sizes=(8, 2), embed_dims=(12, 16), hidden_sizes=(3, 4), mlp_ratios=(2, 2), num_classes=5), r"stages\.\d\.blocks\.\d", "NHWC", 0, 64),
    "local": (kinds.LocalViT, r"blocks\.\d", "NLC", 0, 64),
    "universal": (universal, r"blocks\.\d\.\d", "NCHW", 0, 96),
    "convmixer": (lambda: tm.convmixer.ConvMixer(12, 5, kernel_size=5, patch_size=4, num_classes=5), r"blocks\.\d", "NCHW", 0, 64),
    "mixnet": (mixnet, r"blocks\.\d\.\d", "NCHW", 0, 96),
}
INPUTS = {"unet": {"t": [0.5]}, "dit": {"t": [0.5]}}
PICK = {"tnt": 1}  # which of a block's outputs, where it has several
def others(names, pattern, layout, prefix=0, side=224):
    return {n: (T(n), pattern, layout, prefix, side) for n in names.split()}


STAGES = r"stages\.\d\.blocks\.\d+"
OTHERS = {
    "tnt": (lambda: tm.tnt.TNT(img_size=64, patch_size=16, first_stride=4, inner_dim=8, embed_dim=24, depth=4, num_heads_inner=2, num_heads_outer=2, mlp_ratio=2, num_classes=5), r"blocks\.\d", "NLC", 1, 64),
    **others("vit_tiny_r_s16_p8_224 convit_tiny", r"blocks\.\d+", "NLC", 1),
    **others("cait_xxs24_224", r"blocks\.\d+", "NLC", 0),
    **others("gmixer_12_224 resmlp_12_224 gmlp_ti16_224", r"blocks\.\d+", "NLC", 0),
    **others("sequencer2d_s davit_tiny", r"stages\.\d\.(blocks\.)?\d+", "NCHW"),
    **others("convmixer_768_32", r"blocks\.\d+", "NCHW", 0),
    **others("pit_ti_224 pit_xs_224", r"transformers\.\d\.blocks", "NCHW", 0),
    **others("edgenext_xx_small inception_next_atto mambaout_femto swiftformer_xs efficientformer_l1 efficientformerv2_s0 repvit_m0_9 fastvit_t8 shvit_s1 tiny_vit_5m_224 nextvit_small gcvit_xxtiny focalnet_tiny_lrf convnextv2_atto convformer_s18 caformer_s18 poolformerv2_s12 fasternet_t0 lowformer_b0 iformer_t", STAGES, "NCHW"),
    **others("nest_tiny", r"levels\.\d\.transformer_encoder\.\d+", "NHWC"),
    **others("twins_svt_small twins_pcpvt_small", r"blocks\.\d\.\d+", "NLC"),
    **others("visformer_tiny", r"stage\d\.\d+", "NCHW"),
    **others("mobilevit_xxs mobilevitv2_050 repvgg_a0 gernet_s mobileone_s0 resnet26t halonet26t eca_botnext26ts_256 lambda_resnet26t", r"stages\.\d\.\d+", "NCHW", 0, 256),
    **others("nfnet_l0 dm_nfnet_f0 eca_nfnet_l0 nf_resnet50 vovnet39a ese_vovnet19b_dw", r"stages\.\d\.(blocks\.)?\d+", "NCHW"),
    **others("resnet18 resnet26d resnext50_32x4d seresnet18 skresnet18 ecaresnet26t resnest14d res2next50 resnetblur18", r"layer\d\.\d", "NCHW"),
    **others("resnetv2_50x1_bit resnetv2_50d", STAGES, "NCHW"),
    **others("legacy_seresnet18", r"layer\d\.\d", "NCHW"),
    **others("ghostnet_100 hardcorenas_a mnasnet_small tf_efficientnetv2_b0 mobilenetv4_conv_small mixnet_s fbnetc_100 spnasnet_100 efficientnet_lite0 tinynet_e lcnet_050 semnasnet_075", r"blocks\.\d\.\d+", "NCHW"),
    **others("rexnet_100", r"features\.\d+", "NCHW"),
    **others("xception41 xception65", r"blocks\.\d+", "NCHW", 0, 299),
    **others("cspresnet50 cspdarknet53 darknet53", r"stages\.\d\.(blocks\.\d)?", "NCHW", 0, 256),
    **others("inception_v4 inception_resnet_v2", r"(features\.([6-9]|1\d|2[01]))|(repeat(_\d)?\.\d+|block8|mixed_\da)", "NCHW", 0, 299),
    **others("dla34 dla60", r"level\d(\..*tree[12])?", "NCHW"),
    **others("hrnet_w18_small", r"layer1\.\d", "NCHW"),
    **others("selecsls42b", r"features\.\d+", "NCHW"),
    **others("hgnetv2_b0", r"stages\.\d\.blocks\.\d+", "NCHW"),
    **others("rdnet_tiny", r"dense_stages\.\d", "NCHW"),
    **others("dpn68", r"conv\d_\d+", "NCHW"),
    **others("tresnet_m", r"body\.layer\d\.\d", "NCHW"),
    **others("crossvit_9_240", r"none", "NLC", 0, 240),
    **others("tnt_s_legacy_patch16_224", r"blocks\.\d+", "NLC", 1),
    **others("coat_tiny", r"none", "NLC"),
    **others("vitamin_small_224", r"blocks\.\d+", "NLC", 1),
    **others("swinv2_cr_tiny_ns_224", STAGES, "NHWC"),
    **others("swin_tiny_patch4_window7_224", r"layers\.\d\.blocks\.\d+", "NHWC"),
    **others("mvitv2_tiny", STAGES, "NLC"),
    **others("hiera_tiny_224 hieradet_small", r"blocks\.\d+", "HIERA"),
    **others("maxvit_rmlp_pico_rw_256 coatnet_pico_rw_224", STAGES, "NCHW", 0, 256),
}


def picture(side):
    """White noise from a generator that is easy to repeat elsewhere, [1, 3, side, side]."""
    state, values = 1, []
    for _ in range(3 * side * side):
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        values.append((state >> 40) / 2**23 - 1)
    return torch.tensor(values, dtype=torch.float64).float().reshape(1, 3, side, side)


def hiera_grid(net, tensors):
    """What Hiera itself calls the maps: its reroll of each block's output."""
    out = {}
    for i, (k, t) in enumerate(tensors.items()):
        out[k] = net.reroll(t, i, mask=None)
    return out


def spread(module):
    build.spread(module)
    for p in module.parameters():  # shorter mantissas: the files compress to half
        p.data = p.data.bfloat16().float()


def truth(name, net, inputs, pattern, layout, prefix):
    caught, hooks = {}, []
    def catch(key):
        def hook(module, given, out):
            out = out[PICK.get(name, 0)] if isinstance(out, tuple) else out
            n = sum(k.split("#")[0] == key for k in caught)
            caught[key if n == 0 else f"{key}#{n}"] = out.detach().clone()
        return hook
    for k, m in net.named_modules():
        if re.fullmatch(pattern, k):
            hooks.append(m.register_forward_hook(catch(k)))
    with torch.no_grad():
        net(*inputs)
    for h in hooks:
        h.remove()
    kind = {}
    if layout == "HIERA":
        caught = hiera_grid(net, caught)
        kind = {k: "NHWC" for k in caught}
    blocks, flat = [], []
    for k, t in caught.items():
        how, p = kind.get(k, layout), prefix
        if t.ndim == 4 and how in ("NLC", "LNC"):
            how, p = "NCHW", 0
        if t.ndim == 4 and t.shape[1] == t.shape[2] != t.shape[3]:
            how = "NHWC"
        two, grid = build.tokens(torch.cat([t, t], 1 if how == "LNC" else 0), how, p, "sound")
        flat.append(two[0].astype(np.float32).reshape(-1))
        blocks.append({"name": k, "layout": how, "grid": grid, "prefix": p, "width": two.shape[2]})
    return blocks, np.concatenate(flat)


def shrink(path):
    """Takes out what no reader of layers needs: stack traces, inner shapes."""
    model = build.clean(onnx.load(path))
    del model.graph.value_info[:]
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(model.SerializeToString(), 1 if path.name.split(".")[0] in OTHERS else 9, mtime=0))


def export(folder, name, net, inputs, names):
    outs = ["out"]
    axes = {n: {0: "batch"} for n in names}
    made = []
    path = folder / f"{name}.ts.onnx"
    try:
        torch.onnx.export(net, inputs, path, dynamo=False, input_names=names, output_names=outs, dynamic_axes={**axes, "out": {0: "batch"}}, opset_version=17)
        shrink(path)
        made.append("ts")
    except Exception as e:
        path.unlink(missing_ok=True)
        print("  ts:", repr(e).replace("\n", " ")[:160], flush=True)
    if name in OTHERS:
        return made
    path = folder / f"{name}.dyn.onnx"
    try:
        two = tuple(torch.cat([x, x]) for x in inputs)
        torch.onnx.export(net, two, path, dynamo=True, input_names=names, output_names=outs, dynamic_shapes=tuple({0: BATCH} for _ in inputs), external_data=False, verbose=False)
        shrink(path)
        made.append("dyn")
    except Exception as e:
        path.unlink(missing_ok=True)
        print("  dyn:", repr(e).replace("\n", " ")[:160], flush=True)
    return made


def make(folder, name, make_net, pattern, layout, prefix, side):
    torch.manual_seed(0)
    net = make_net().eval()
    spread(net)
    constants = INPUTS.get(name, {})
    inputs = (picture(side), *[torch.tensor([v]) for v in constants.values()])
    blocks, flat = truth(name, net, inputs, pattern, layout, prefix)
    made = export(folder, name, net, inputs, ["image", *constants])
    np.save(folder / f"{name}.npy", flat)
    (folder / f"{name}.json").write_text(json.dumps({"side": side, "inputs": constants, "blocks": blocks}, indent=1) + "\n")
    sizes = [(folder / f"{name}.{e}.onnx.gz").stat().st_size // 1000 for e in made]
    print(name, len(blocks), "blocks", dict(zip(made, sizes)), "kB", blocks[-1], flush=True)


def main():
    set_fused_attn(True)
    torch.backends.mha.set_fastpath_enabled(False)
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else build.HERE / "zoo"
    folder.mkdir(exist_ok=True, parents=True)
    wanted = sys.argv[2:] or list(NETWORKS)
    for name in wanted:
        try:
            make(folder, name, *{**OTHERS, **NETWORKS}[name])
        except Exception as e:
            print(name, "FAILED", repr(e)[:300], flush=True)


if __name__ == "__main__":
    main()
