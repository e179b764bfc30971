"""How many multiplications by weights one picture takes, counted from the shapes that ONNX Runtime really makes.

    python products.py > products.json     # needs onnx, onnxruntime, numpy

Every inner tensor is made an output and one picture is run; for each convolution and matrix product with a constant of
two dimensions and more, the sum of: numbers in the constant x places of the output (all its elements but the channels).
internal/onnx follows places through the graph without running it, and must come close.
"""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

HERE = pathlib.Path(__file__).parent
SIDES = {"onnx/resnet.dyn.onnx": 112, "onnx/resnet.ts.onnx": 112, "onnx/vit.dyn.onnx": 112, "onnx/clip.ts.onnx": 112,
         "onnx/swin.dyn.onnx": 112, "demo/lite0.onnx": 224}


def count(path, side):
    model = onnx.load(path)
    weights = {t.name: t.dims for t in model.graph.initializer}
    for n in model.graph.node:
        if n.op_type == "Constant":
            weights.update({n.output[0]: a.t.dims for a in n.attribute if a.name == "value"})
    # Weights that are turned before they are used stay weights.
    for n in model.graph.node:
        if n.op_type in ("Transpose", "Identity") and n.input[0] in weights:
            weights[n.output[0]] = weights[n.input[0]]
    wanted = [n for n in model.graph.node if n.op_type in ("Conv", "MatMul", "Gemm")]
    have = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=n.output[0]) for n in wanted if n.output[0] not in have)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = session.get_inputs()[0]
    shape = [1, 3, side, side]
    if picture.shape[-1] == 3:
        shape = [1, side, side, 3]
    names = [n.output[0] for n in wanted]
    made = dict(zip(names, session.run(names, {picture.name: np.zeros(shape, np.float32)})))
    total = 0
    for n in wanted:
        out = made[n.output[0]].shape
        places = int(np.prod(out[2:])) if n.op_type == "Conv" else int(np.prod(out[:-1]))
        total += sum(int(np.prod(weights[i])) for i in n.input if len(weights.get(i, ())) >= 2) * places
    return total


print(json.dumps({name: {"side": side, "products": count(str(HERE.parent / name), side)} for name, side in SIDES.items()}, indent=1))
