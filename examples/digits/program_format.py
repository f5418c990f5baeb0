"""A small encoder of Assay's program format, written from docs/program-format.md alone.

Covers what the example needs. Names and field order are those of the grammar.
"""

import struct

DTYPES = {"i8": 0, "i16": 1, "i32": 2}
CLASSES = {"eager": 0, "lazy": 1, "virtual": 2}


def compact(n):
    """SCALE compact integer below 2^30."""
    if n < 1 << 6:
        return bytes([n << 2])
    if n < 1 << 14:
        return struct.pack("<H", n << 2 | 1)
    assert n < 1 << 30
    return struct.pack("<I", n << 2 | 2)


def sequence(items):
    return compact(len(items)) + b"".join(items)


def text(value):
    data = value.encode()
    return compact(len(data)) + data


def shape(dims):
    return sequence([struct.pack("<I", d) for d in dims])


def tensor_type(dtype, dims, split=None):
    split = max(len(dims) - 1, 0) if split is None else split
    return bytes([DTYPES[dtype]]) + shape(dims) + bytes([split])


def input_(index):
    return bytes([0]) + struct.pack("<H", index)


def node(index):
    return bytes([3]) + struct.pack("<I", index)


def MatMul():
    return bytes([0, 0])


def Requant(to):
    return bytes([1, DTYPES[to]])


def Clamp(lo, hi):
    return bytes([7]) + struct.pack("<ii", lo, hi)


def ArgMax(axis):
    return bytes([14, axis])


class Program:
    def __init__(self):
        self.inputs, self.nodes, self.outputs = [], [], []

    def add_input(self, name, dtype, dims):
        self.inputs.append(text(name) + tensor_type(dtype, dims))
        return len(self.inputs) - 1

    def add_node(self, op, sources, class_):
        """Operands without views, the default split."""
        operands = sequence([source + b"\0" for source in sources])
        self.nodes.append(op + operands + b"\0" + bytes([CLASSES[class_]]))
        return len(self.nodes) - 1

    def add_output(self, name, index):
        self.outputs.append(text(name) + struct.pack("<I", index))

    def encode(self):
        header = b"ASSAYP" + bytes([1]) + struct.pack("<H", 1)
        states = constants = sequence([])
        return (
            header
            + sequence(self.inputs)
            + states
            + constants
            + sequence(self.nodes)
            + sequence(self.outputs)
        )
