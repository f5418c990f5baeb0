"""Bytes of programs, by sections 1 and 2 of docs/program-format.md."""

import struct

from operators import BITS, I8, I16, I32

TYPES = (I8, I16, I32)


def compact(n):
    if n < 1 << 6:
        return bytes([n << 2])
    if n < 1 << 14:
        return struct.pack("<H", n << 2 | 1)
    if n < 1 << 30:
        return struct.pack("<I", n << 2 | 2)
    return b"\3" + struct.pack("<I", n)


def listed(items):
    return compact(len(items)) + b"".join(items)


def u32(n):
    return struct.pack("<I", n)


def number(dtype):
    return bytes([TYPES.index(dtype)])


def dims_of(dims):
    return listed([u32(dim) for dim in dims])


def type_of(dtype, dims, split):
    return number(dtype) + dims_of(dims) + bytes([split])


def name_of(name):
    return compact(len(name)) + name.encode()


def narrow_of(narrow):
    if narrow is None:
        return b"\0"
    multiplier, shift, to = narrow
    return b"\1" + struct.pack("<hb", multiplier, shift) + number(to)


def raw(tensor):
    size = BITS[tensor.dtype] // 8
    return b"".join(x.to_bytes(size, "little", signed=True) for x in tensor.data)


NAMES = (
    "MatMul Requant Add Sub Mul Max Min Clamp Shift Cast Copy Lut ReduceSum ReduceMax ArgMax BatchMatMul "
    "Conv2d Pool MulShift Compare Select BitLen LutInterp IntDiv Rsqrt Gather ScatterAdd Concat Pad Iota "
    "Philox ShiftBy ShiftRandom TopK Softmax Norm RowScale ReduceSumProduct CumSum"
).split()


def op_of(name, p):
    """An operator's tag and parameters."""
    kind = lambda: bytes([("layer", "rms").index(p["kind"])])
    if name in ("MatMul", "BatchMatMul"):
        rest = narrow_of(p["narrow"])
    elif name in ("Requant", "Add", "Sub", "Mul", "Cast", "ShiftBy", "ShiftRandom"):
        rest = number(p["to"])
    elif name == "Clamp":
        rest = struct.pack("<ii", p["lo"], p["hi"])
    elif name == "Shift":
        rest = struct.pack("<b", p["by"]) + number(p["to"])
    elif name == "ReduceSum":
        rest = bytes([p["axis"]]) + number(p["to"])
    elif name in ("ReduceMax", "ArgMax", "Concat"):
        rest = bytes([p["axis"]])
    elif name == "Conv2d":
        stride, pad, input_dilation, kernel_dilation, flip, groups = p["geometry"]
        rest = bytes(stride) + struct.pack("<4h", *pad[0], *pad[1]) + bytes(input_dilation)
        rest += bytes(kernel_dilation) + bytes([flip]) + struct.pack("<H", groups)
        rest += narrow_of(p["narrow"])
    elif name == "Pool":
        rest = bytes(
            [
                ("max", "sum").index(p["kind"]),
                *p["kernel"],
                *p["stride"],
                *p["pad"][0],
                *p["pad"][1],
            ]
        )
        rest += number(p["to"])
    elif name == "MulShift":
        rest = struct.pack("<b", p["shift"]) + number(p["to"])
    elif name == "Compare":
        rest = bytes([("equal", "less", "less or equal").index(p["relation"])])
    elif name == "IntDiv":
        rest = bytes([p["shift"]]) + number(p["to"])
    elif name == "Rsqrt":
        rest = bytes([p["shift"]])
    elif name == "ScatterAdd":
        rest = u32(p["rows"]) + number(p["to"])
    elif name == "Pad":
        rest = bytes([p["axis"]]) + u32(p["low"]) + u32(p["high"]) + struct.pack("<i", p["value"])
    elif name == "Iota":
        rest = dims_of(p["shape"]) + bytes([p["axis"]])
    elif name == "Philox":
        rest = dims_of(p["shape"]) + u32(p["stream"])
    elif name == "CumSum":
        rest = bytes([p["exclusive"], p["reverse"]]) + number(p["to"])
    elif name == "TopK":
        rest = u32(p["k"]) + bytes([p["values"]])
    elif name == "Softmax":
        rest = struct.pack("<hb", p["multiplier"], p["shift"]) + number(p["to"])
    elif name == "Norm":
        rest = kind() + u32(p["epsilon"]) + number(p["to"]) + struct.pack("<b", p["shift"])
    elif name == "RowScale":
        rest = kind() + u32(p["epsilon"]) + bytes([p["shift"]])
    elif name == "ReduceSumProduct":
        rest = bytes([p["axis"]]) + struct.pack("<b", p["shift"]) + number(p["to"])
    else:
        rest = b""
    return bytes([NAMES.index(name)]) + rest
