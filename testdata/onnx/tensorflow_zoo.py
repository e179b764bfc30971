"""Adds networks of Keras, exported by tf2onnx, to the zoo. Run by hand, never by CI:

    python tensorflow_zoo.py [FOLDER]    # needs tensorflow 2.21, tf2onnx 1.17, numpy

Into FOLDER (default: zoo/ beside this script) go NAME.tf.onnx.gz, NAME.npy and NAME.json as zoo.py makes them, but the
truth is what Keras says: outputs of the layers that end the blocks, from a second model of the same weights. Pictures are
channels last; picture() fills them in memory's order.
"""
import gzip
import json
import pathlib
import sys

import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.keras import Model, layers

GRID = 8


def picture(side):
    state, values = 1, []
    for _ in range(3 * side * side):
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        values.append((state >> 40) / 2**23 - 1)
    return np.array(values, np.float32).reshape(1, side, side, 3)


def norm(x, name):
    return layers.BatchNormalization(name=name)(x)


def resnet():
    """keras.applications' ResNet50 with its names, narrow."""
    ends, i = [], layers.Input((96, 96, 3), name="image")
    x = layers.Activation("relu", name="conv1_relu")(norm(layers.Conv2D(8, 7, 2, "same", name="conv1_conv")(i), "conv1_bn"))
    x = layers.MaxPooling2D(3, 2, "same", name="pool1_pool")(x)
    for stage, width in enumerate((8, 12, 16), 2):
        for block in (1, 2):
            n = f"conv{stage}_block{block}"
            stride = 2 if block == 1 and stage > 2 else 1
            skip = norm(layers.Conv2D(2 * width, 1, stride, name=n + "_0_conv")(x), n + "_0_bn") if block == 1 else x
            y = layers.Activation("relu", name=n + "_1_relu")(norm(layers.Conv2D(width, 1, stride, name=n + "_1_conv")(x), n + "_1_bn"))
            y = layers.Activation("relu", name=n + "_2_relu")(norm(layers.Conv2D(width, 3, 1, "same", name=n + "_2_conv")(y), n + "_2_bn"))
            y = norm(layers.Conv2D(2 * width, 1, name=n + "_3_conv")(y), n + "_3_bn")
            x = layers.Activation("relu", name=n + "_out")(layers.Add(name=n + "_add")([skip, y]))
            ends.append(n + "_out")
    return Model(i, layers.Dense(5, name="predictions")(layers.GlobalAveragePooling2D(name="avg_pool")(x))), ends, 0


def mobilenet():
    """keras.applications' MobileNetV2 with its names, narrow: linear bottlenecks with and without a way round them."""
    ends, i = [], layers.Input((96, 96, 3), name="image")
    x = layers.ReLU(6.0, name="Conv1_relu")(norm(layers.Conv2D(8, 3, 2, "same", use_bias=False, name="Conv1")(i), "bn_Conv1"))
    for k, (width, stride) in enumerate(((8, 1), (12, 2), (12, 1), (16, 2), (16, 1), (24, 2), (24, 1))):
        n, given = f"block_{k}", x.shape[-1]
        y = layers.ReLU(6.0, name=n + "_expand_relu")(norm(layers.Conv2D(4 * given, 1, use_bias=False, name=n + "_expand")(x), n + "_expand_BN"))
        y = layers.ReLU(6.0, name=n + "_depthwise_relu")(norm(layers.DepthwiseConv2D(3, stride, "same", use_bias=False, name=n + "_depthwise")(y), n + "_depthwise_BN"))
        y = norm(layers.Conv2D(width, 1, use_bias=False, name=n + "_project")(y), n + "_project_BN")
        end = n + "_project_BN"
        if given == width and stride == 1:
            y, end = layers.Add(name=n + "_add")([x, y]), n + "_add"
        x = y
        ends.append(end)
    return Model(i, layers.Dense(5, name="predictions")(layers.GlobalAveragePooling2D(name="pool")(x))), ends, 0


class Class(layers.Layer):
    """Puts a class token in front and adds positions."""

    def build(self, shape):
        self.token = self.add_weight(name="token", shape=(1, 1, shape[-1]), initializer="random_normal")
        self.position = self.add_weight(name="position", shape=(1, shape[1] + 1, shape[-1]), initializer="random_normal")

    def call(self, x):
        return tf.concat([tf.tile(self.token, [tf.shape(x)[0], 1, 1]), x], 1) + self.position


def vit():
    ends, i = [], layers.Input((64, 64, 3), name="image")
    x = Class(name="class_token")(layers.Reshape((64, 16), name="tokens")(layers.Conv2D(16, 8, 8, name="embedding")(i)))
    for k in range(4):
        n = f"encoderblock_{k}"
        y = layers.LayerNormalization(name=n + "_norm1")(x)
        x = layers.Add(name=n + "_add1")([x, layers.MultiHeadAttention(2, 8, name=n + "_attention")(y, y)])
        y = layers.Dense(32, activation=lambda t: tf.nn.gelu(t, approximate=True), name=n + "_dense1")(layers.LayerNormalization(name=n + "_norm2")(x))
        x = layers.Add(name=n + "_add2")([x, layers.Dense(16, name=n + "_dense2")(y)])
        ends.append(n + "_add2")
    x = layers.LayerNormalization(name="norm")(x)
    return Model(i, layers.Dense(5, name="head")(layers.Flatten(name="flat")(layers.Cropping1D((0, 64), name="cls")(x)))), ends, 1


def area(x, axis):
    """Brings one axis to GRID cells by the rule "sound" of build.py."""
    n = x.shape[axis]
    if n >= GRID:
        return np.repeat(x, GRID, axis).reshape(*x.shape[:axis], GRID, n, *x.shape[axis + 1:]).mean(axis + 1)
    at = np.clip((np.arange(GRID) + 0.5) * n / GRID - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    share = (at - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, n - 1), axis) * share


def tokens(t, prefix):
    """[65, D] of one block's output, its native grid and layout."""
    t = np.asarray(t, np.float64)[0]
    if t.ndim == 2:
        side = int((len(t) - prefix) ** 0.5)
        top, t, layout = t[0] if prefix else t.mean(0), t[prefix:].reshape(side, side, -1), "NLC"
    else:
        top, layout = t.mean((0, 1)), "NCHW"
    local = area(area(t, 0), 1)
    return np.concatenate([local.reshape(GRID * GRID, -1), top[None]]), list(t.shape[:2]), layout


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "zoo"
    folder.mkdir(exist_ok=True, parents=True)
    for name, make in {"keras_resnet": resnet, "keras_mobilenet": mobilenet, "keras_vit": vit}.items():
        tf.keras.utils.set_random_seed(0)
        net, ends, prefix = make()
        rng = np.random.default_rng(1)
        for w in net.weights:  # no two tensors agree by accident
            if len(w.shape) == 1:
                w.assign(w + 0.3 * rng.random(w.shape, np.float32))
        side = net.input_shape[1]
        seen = Model(net.input, [net.get_layer(e).output for e in ends])(picture(side))
        blocks, flat = [], []
        for e, t in zip(ends, seen):
            x, grid, layout = tokens(t, prefix)
            flat.append(x.astype(np.float32).reshape(-1))
            blocks.append({"name": e, "layout": layout, "grid": grid, "prefix": prefix, "width": x.shape[1]})
        model, _ = tf2onnx.convert.from_keras(net, [tf.TensorSpec((None, side, side, 3), tf.float32, name="image")], opset=17)
        (folder / f"{name}.tf.onnx.gz").write_bytes(gzip.compress(model.SerializeToString(), mtime=0))
        np.save(folder / f"{name}.npy", np.concatenate(flat))
        (folder / f"{name}.json").write_text(json.dumps({"side": side, "inputs": {}, "blocks": blocks}, indent=1) + "\n")
        print(name, len(blocks), "blocks", (folder / f"{name}.tf.onnx.gz").stat().st_size // 1000, "kB", flush=True)


if __name__ == "__main__":
    main()
