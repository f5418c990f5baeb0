#!/usr/bin/env python3
"""The tables of operator set 1, in unbounded integers. Writes ../src/row/exp2.rs.

EXP2[f] is the integer nearest to 2^(30 - f/1024). `cargo test -p assay-ops --test tables` checks
that, and that the table's hash is the one of operator set 1. Needs nothing but Python 3."""

from math import isqrt
from pathlib import Path

BITS = 400  # Of fraction, far more than ten square roots and 1,024 products lose.


def entries():
    # 2^(-1/1024) by ten square roots of 1/2.
    root = 1 << (BITS - 1)
    for _ in range(10):
        root = isqrt(root << BITS)
    value = 1 << BITS
    for _ in range(1024):
        yield (value + (1 << (BITS - 31))) >> (BITS - 30)
        value = value * root >> BITS


def grouped(n):
    return f"0x{n >> 16:04x}_{n & 0xffff:04x}"


lines = []
table = [grouped(n) for n in entries()]
for at in range(0, len(table), 8):
    lines.append("\t" + ", ".join(table[at : at + 8]) + ",")
text = f"""//! Written by `tables/generate.py`; do not edit.

/// `EXP2[f]` is the integer nearest to 2^(30 − f / 1024). Part of operator set 1.
#[rustfmt::skip]
pub static EXP2: [u32; {len(table)}] = [
""" + "\n".join(lines) + "\n];\n"
Path(__file__).parent.parent.joinpath("src", "row", "exp2.rs").write_text(text)
