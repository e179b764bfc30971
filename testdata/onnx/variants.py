"""Makes networks of this folder again in the forms that tools give them. Run by hand, never by CI, after zoo.py:

    python variants.py        # needs onnx 1.23, onnxruntime 1.27, numpy

variants/NETWORK.FORM.onnx.gz, of zoo/NETWORK.ts.onnx.gz:
    qdq, qoperator, dynamic   8 bits: onnxruntime's quantize_static in both formats, quantize_dynamic
    half, halfio              float16 inside, and at input and output too
    extended, all             saved by ONNX Runtime after its optimisations of that level
    constants, inputs         weights as Constant nodes; weights listed among the graph's inputs too (IR 3)
    functions                 every LayerNormalization or Relu is a call of a function of the file
    blocks                    every residual block of the network is a call of a function of the file
    free                      height and width are free
"""
import copy
import gzip
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

HERE = pathlib.Path(__file__).parent
OUT = HERE / "variants"
OUT.mkdir(exist_ok=True)


def load(name):
    return onnx.load_from_string(gzip.decompress((HERE / "zoo" / f"{name}.ts.onnx.gz").read_bytes()))


def noise(side):
    state, values = 1, []
    for _ in range(3 * side * side):
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        values.append((state >> 40) / 2**23 - 1)
    return np.array(values, np.float32).reshape(1, 3, side, side)


class Noise(CalibrationDataReader):
    def __init__(self, model):
        side = onnx.load(model).graph.input[0].type.tensor_type.shape.dim[2].dim_value
        self.left = iter([{"image": noise(side)}])

    def get_next(self):
        return next(self.left, None)


def save(name, form, model):
    raw = model if isinstance(model, bytes) else model.SerializeToString()
    (OUT / f"{name}.{form}.onnx.gz").write_bytes(gzip.compress(raw, mtime=0))
    print(name, form, len(raw) // 1000, "kB", flush=True)


def by_file(name, form, make):
    with tempfile.TemporaryDirectory() as d:
        given, path = pathlib.Path(d) / "given.onnx", pathlib.Path(d) / "made.onnx"
        onnx.save(load(name), given)
        make(str(given), str(path))
        save(name, form, path.read_bytes())


def static(how):
    return lambda a, b: quantize_static(a, b, Noise(a), quant_format=how, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def optimised(level):
    def make(a, b):
        o = ort.SessionOptions()
        o.graph_optimization_level, o.optimized_model_filepath, o.log_severity_level = level, b, 3
        ort.InferenceSession(a, o, providers=["CPUExecutionProvider"])
    return make


def constants(model):
    g = model.graph
    nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in g.initializer]
    old = list(g.node)
    del g.initializer[:], g.node[:]
    g.node.extend(nodes + old)
    return model


def inputs(model):
    model.ir_version = 3
    for t in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(t.name, t.data_type, t.dims))
    return model


def functions(model):
    """Each norm or activation becomes a call."""
    opset = [helper.make_opsetid("", 17)]
    made = set()
    for n in model.graph.node:
        if n.op_type in ("LayerNormalization", "Relu"):
            if n.op_type not in made:
                made.add(n.op_type)
                names = [f"i{k}" for k in range(len(n.input))]
                body = copy.deepcopy(n)
                body.name, body.input[:], body.output[:] = "", names, ["o"]
                model.functions.append(helper.make_function("local", "My" + n.op_type, names, ["o"], [body], opset))
            n.op_type, n.domain = "My" + n.op_type, "local"
            del n.attribute[:]
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def blocks(model, cuts):
    """The nodes between two cuts become one call each; cuts are tensors that everything passes."""
    g = model.graph
    shared = {t.name for t in g.initializer}
    start, nodes = 0, list(g.node)
    del g.node[:]
    for k, (a, b) in enumerate(zip(cuts, cuts[1:])):
        first = next(i for i, n in enumerate(nodes) if a in n.output) + 1
        last = next(i for i, n in enumerate(nodes) if b in n.output)
        body = [copy.deepcopy(n) for n in nodes[first:last + 1]]
        g.node.extend(nodes[start:first])
        made = {o for n in body for o in n.output}
        taken = []
        for n in body:
            n.name = ""
            taken += [i for i in n.input if i and i not in made and i not in taken]
        model.functions.append(helper.make_function("local", f"Block{k}", taken, [b], body, [helper.make_opsetid("", 17)]))
        g.node.append(helper.make_node(f"Block{k}", taken, [b], domain="local"))
        start = last + 1
    g.node.extend(nodes[start:])
    del g.value_info[:]
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def free(model):
    for d, name in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], ("height", "width")):
        d.dim_param = name
    return model


def main():
    L = ort.GraphOptimizationLevel
    for name in ("resnet", "registers"):
        by_file(name, "qdq", static(QuantFormat.QDQ))
        by_file(name, "qoperator", static(QuantFormat.QOperator))
        by_file(name, "dynamic", lambda a, b: quantize_dynamic(a, b, weight_type=QuantType.QUInt8))
        by_file(name, "extended", optimised(L.ORT_ENABLE_EXTENDED))
        by_file(name, "all", optimised(L.ORT_ENABLE_ALL))
        save(name, "half", convert_float_to_float16(load(name), keep_io_types=True))
        save(name, "halfio", convert_float_to_float16(load(name), keep_io_types=False))
        save(name, "constants", constants(load(name)))
        save(name, "inputs", inputs(load(name)))
        save(name, "functions", functions(load(name)))
    save("resnet", "free", free(load("resnet")))
    vit = load("registers")
    ends = [n.output[0] for n in vit.graph.node if n.name.startswith("/blocks") and n.name.endswith("/Add_1")]
    save("registers", "blocks", blocks(vit, ends))


main()
