"""Imports float models with `assay model import` and compares the integer programs with onnxruntime.

Each model is exported from PyTorch, imported, and run on samples that calibration never saw, by
`assay model run`. What is compared is the integer result with onnxruntime's float32 result, so the
importer's own float reference is checked too: its figures must be these.
"""

import json
import pathlib
import subprocess
import sys
import time

import numpy as np

# Least mean cosine of an output; most that top-1 accuracy may lose, in percentage points; how to
# import.
TARGETS = {
    "mlp": {"cosine": 0.999, "points": 0.5, "options": ["--batch", "64"]},
    "cnn": {"cosine": 0.999, "points": 0.5, "options": ["--batch", "32"]},
    "minilm": {"cosine": 0.99, "options": ["--batch", "8"]},
    "resnet": {"cosine": 0.99, "points": 0.5, "options": ["--batch", "4"]},
}
# The importer's own reference and onnxruntime both round to float32.
REFERENCE_TOLERANCE = 1e-4


def assay(binary, *arguments):
    done = subprocess.run([binary, "--json", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"fidelity: assay {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def cosines(a, b):
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-30)


def prepare(name, make, folder):
    """Makes a model once. Labels of its test samples, or None."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "labels.json"
    if not file.exists():
        print(f"fidelity: making {name}", file=sys.stderr, flush=True)
        labels = make(folder)
        file.write_text(json.dumps(None if labels is None else labels.tolist()))
    return json.loads(file.read_text())


def measure(name, make, binary, folder, extra):
    import onnxruntime

    labels, model = prepare(name, make, folder), folder / f"{name}.onnx"
    target, out = TARGETS[name], folder / "imported"
    started = time.monotonic()
    report = assay(
        binary,
        "model",
        "import",
        str(model),
        "--calibrate",
        str(folder / "calibrate.npz"),
        "--evaluate",
        str(folder / "test.npz"),
        "--out",
        str(out),
        "--target",
        "snr=10",
        *target["options"],
        *extra,
    )
    imported = time.monotonic()
    assay(
        binary,
        "model",
        "run",
        str(out),
        "--input",
        str(folder / "test.npz"),
        "--output",
        str(folder / "out.npz"),
    )
    seconds = time.monotonic() - imported
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    samples = dict(np.load(folder / "test.npz"))
    (output,) = session.get_outputs()
    expected = session.run([output.name], samples)[0]
    found = np.load(folder / "out.npz")[output.name]
    cosine = cosines(expected, found)
    row = {
        "model": name,
        "samples": len(expected),
        "cosine": float(cosine.mean()),
        "worstCosine": float(cosine.min()),
        "reportedCosine": report["outputs"][0]["cosine"],
        "products": report["products"],
        "wideProducts": report["wide_products"],
        "worstLayerDb": min(layer["snr"] for layer in report["layers"]),
        "programBytes": report["program_bytes"],
        "weightBytes": report["weight_bytes"],
        "workUnits": report["work_units"],
        "peakMemory": report["peak_memory"],
        "importSeconds": imported - started,
        "runSeconds": seconds,
    }
    failures = []
    if row["cosine"] < target["cosine"]:
        failures.append(f"mean cosine {row['cosine']:.5f} is below {target['cosine']}")
    if abs(row["cosine"] - row["reportedCosine"]) > REFERENCE_TOLERANCE:
        failures.append(
            f"the report says cosine {row['reportedCosine']:.6f}, onnxruntime {row['cosine']:.6f}"
        )
    if labels is not None:
        labels = np.array(labels)
        row["floatTop1"] = float((expected.argmax(1) == labels).mean())
        row["integerTop1"] = float((found.argmax(1) == labels).mean())
        row["agreement"] = float((expected.argmax(1) == found.argmax(1)).mean())
        lost = 100 * (row["floatTop1"] - row["integerTop1"])
        if lost > target["points"]:
            failures.append(f"top-1 accuracy is {lost:.2f} points below float")
    row["failures"] = failures
    return row


def node_tests(binary):
    import onnx.backend.test

    folder = pathlib.Path(onnx.backend.test.__file__).parent / "data" / "node"
    done = subprocess.run(
        [binary, "--json", "model", "node-tests", str(folder)], capture_output=True, text=True
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"fidelity: assay model node-tests\n{done.stdout}{done.stderr}")


def show_models(rows):
    head = f"{'model':8} {'samples':>7} {'cosine':>8} {'worst':>8} {'float':>7} {'integer':>8} {'layer dB':>8} {'16-bit':>9}"
    print(head + f" {'program':>9} {'weights':>9} {'work units':>15} {'peak':>9} {'run s':>6}")
    for row in rows:
        top1 = [
            f"{100 * row[key]:.2f}" if key in row else "-" for key in ("floatTop1", "integerTop1")
        ]
        wide = f"{row['wideProducts']}/{row['products']}"
        print(
            f"{row['model']:8} {row['samples']:7} {row['cosine']:8.5f} {row['worstCosine']:8.5f} {top1[0]:>7} {top1[1]:>8}"
            f" {row['worstLayerDb']:8.1f} {wide:>9} {row['programBytes'] / 1024:6.0f}KiB"
            f" {row['weightBytes'] / 2**20:6.1f}MiB {row['workUnits']:15} {row['peakMemory'] / 2**20:6.1f}MiB"
            f" {row['runSeconds']:6.1f}"
        )
        for failure in row["failures"]:
            print(f"  FAIL {failure}")


def show_node_tests(nodes):
    print(
        f"ONNX node tests: {nodes['passed']} passed, {nodes['unsupported']} unsupported, {nodes['failed']} failed"
    )
    for test in nodes["tests"]:
        if test["outcome"] == "fail":
            print(f"  FAIL {test['name']}: {test['reason']}")
