"""Times matrix products and models of onnxruntime on demand, for assay-bench.

Reads one JSON object a line and answers each with one. `{"product": KIND, "m": M, "k": K, "n": N,
"threads": T}` prepares a product of M×K by K×N with a constant right operand; the answer's
`checksum` is the sum of the result. `{"model": FILE, "samples": NPZ, "batch": N, "threads": T}`
loads a model with the first N samples. `{"run": COUNT}` runs it COUNT times; the answer's `seconds`
is what one took.
"""

import json
import sys
import time

import numpy as np
import onnxruntime as ort
from onnx import helper, numpy_helper


def values(count, offset):
    """The same numbers as `values` in rival.rs: 0..=127, less `offset`."""
    index = np.arange(count, dtype=np.uint64)
    return ((((index * 2654435761) & 0xFFFFFFFF) >> 13) & 127).astype(np.int64) - offset


def start(model, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, ["CPUExecutionProvider"])


def load(model, samples, batch, threads):
    session = start(model, threads)
    feeds = {name: array[:batch] for name, array in np.load(samples).items()}
    return lambda: session.run(None, feeds)


def prepare(product, m, k, n, threads):
    a = values(m * k, 0).reshape(m, k)
    # The engine keeps the right operand transposed.
    b = values(n * k, 64).reshape(n, k).T
    constants = {}
    if product == "f32":
        left, right, out = a.astype(np.float32), b.astype(np.float32), np.float32
        operator, operands = "MatMul", ["a", "b"]
    elif product == "i32":
        left, right, out = a.astype(np.uint8), b.astype(np.int8), np.int32
        operator, operands = "MatMulInteger", ["a", "b"]
    elif product == "i8":
        left, right, out = a.astype(np.uint8), b.astype(np.int8), np.uint8
        operator = "QLinearMatMul"
        operands = ["a", "one", "zero", "b", "scales", "zeros", "scale", "middle"]
        constants = {
            "one": np.float32(1),
            "zero": np.uint8(0),
            "scales": np.ones(n, dtype=np.float32),
            "zeros": np.zeros(n, dtype=np.int8),
            "scale": np.float32(256),
            "middle": np.uint8(128),
        }
    else:
        raise ValueError(f"unknown product {product!r}; there are f32, i32 and i8")
    constants["b"] = np.ascontiguousarray(right)
    element = helper.np_dtype_to_tensor_dtype
    graph = helper.make_graph(
        [helper.make_node(operator, operands, ["c"])],
        "product",
        [helper.make_tensor_value_info("a", element(left.dtype), [m, k])],
        [helper.make_tensor_value_info("c", element(np.dtype(out)), [m, n])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    session = start(model.SerializeToString(), threads)
    binding = session.io_binding()
    binding.bind_ortvalue_input("a", ort.OrtValue.ortvalue_from_numpy(left))
    result = ort.OrtValue.ortvalue_from_shape_and_type([m, n], np.dtype(out))
    binding.bind_ortvalue_output("c", result)
    return session, binding, result


def main():
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        if "product" in request:
            shape = [request[key] for key in ("m", "k", "n")]
            session, binding, result = prepare(request["product"], *shape, request["threads"])
            run = lambda: session.run_with_iobinding(binding)
            run()
            answer = {
                "checksum": float(result.numpy().astype(np.float64).sum()),
                "version": ort.__version__,
            }
        elif "model" in request:
            run = load(request["model"], request["samples"], request["batch"], request["threads"])
            run()
            answer = {"version": ort.__version__}
        else:
            count = request["run"]
            started = time.perf_counter()
            for _ in range(count):
                run()
            answer = {"seconds": (time.perf_counter() - started) / count}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
