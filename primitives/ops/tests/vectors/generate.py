#!/usr/bin/env python3
"""Edge values of every scalar rule of operator set 1, in unbounded integers.

Writes edges.tsv beside this file; `cargo test -p assay-ops --test vectors` checks the crate
against it. Columns: rule, arguments, result. Needs nothing but Python 3."""

from fractions import Fraction
from math import isqrt
from pathlib import Path

RANGE = {"i8": (-(2**7), 2**7 - 1), "i16": (-(2**15), 2**15 - 1), "i32": (-(2**31), 2**31 - 1)}
EDGES = {t: sorted({lo, lo + 1, -1, 0, 1, hi - 1, hi}) for t, (lo, hi) in RANGE.items()}


def sat(x, to):
    lo, hi = RANGE[to]
    return max(lo, min(hi, x))


def rounded(x, by):
    if by > 0:
        by = min(by, 62)
        return (x + (1 << (by - 1))) >> by
    return x << min(-by, 31)


def nearest_root(x):
    """The integer nearest to the square root of a fraction: floor(sqrt(x) + 1/2)."""
    twice = isqrt(4 * x.numerator // x.denominator)
    return (twice + 1) // 2


def exp2():
    """2^(30 - f/1024) for f < 1024, rounded, by integer roots of 2^(30720 - f)."""
    table = []
    for f in range(1024):
        # round(x) = floor((floor(2x) + 1) / 2), and floor(2x) is an integer root.
        power, low, high = 1 << (31 * 1024 - f), 1 << 30, (1 << 31) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if middle**1024 <= power else (low, middle)
        table.append((low + 1) // 2)
    return table


EXP2 = exp2()


def softmax(row, multiplier, shift, to):
    def e(x):
        t = max(0, rounded((max(row) - x) * multiplier, shift))
        return EXP2[t % 1024] >> (t // 1024)

    total, q = sum(map(e, row)), 7 if to == "i8" else 15
    return [sat((2 * e(x) * 2**q + total) // (2 * total), to) for x in row]


def norm(row, kind, epsilon, shift, gamma, beta, to):
    n, total = len(row), sum(row) if kind == 0 else 0
    v = n * sum(x * x for x in row) - total * total + epsilon * n * n
    h, root = 31, 0
    if v:
        h = next(h for h in range(32) if v * 4**h >= 2**62)
        root = nearest_root(Fraction(2**124, v * 4**h))
    results = []
    for x in row:
        z = rounded((n * x - total) * root, 46 - h)
        scaled = z * gamma + beta * 2**16
        results.append(sat(rounded(scaled, max(-31, min(62, 16 + shift))), to))
    return results


rows = []
for to in RANGE:
    for a in EDGES["i32"]:
        rows.append(("cast", to, a, sat(a, to)))
        for by in (-128, -32, -31, -1, 0, 1, 2, 15, 31, 32, 62, 63, 127):
            rows.append(("shift", to, a, by, sat(rounded(a, by), to)))
        for b in EDGES["i32"]:
            rows.append(("add", to, a, b, sat(a + b, to)))
            rows.append(("sub", to, a, b, sat(a - b, to)))
            rows.append(("mul", to, a, b, sat(a * b, to)))
for to in ("i8", "i16"):
    for acc in RANGE["i32"] + (-1, 0, 1):
        for m in RANGE["i16"] + (-1, 0, 1):
            for s in (-128, -1, 0, 1, 17, 46, 62, 127):
                for bias in (-(2**31), 0, 2**31 - 1):
                    rows.append(
                        ("requant", to, acc, m, s, bias, sat(rounded((acc + bias) * m, s), to))
                    )
for to in RANGE:
    for a in (-32768, 32767):
        for b in (-32768, 32767):
            for m in EDGES["i16"]:
                for s in (-128, -1, 0, 1, 31, 45, 62, 127):
                    rows.append(("matmul16", to, a, b, m, s, sat(rounded(1000 * a * b * m, s), to)))
for to in RANGE:
    for a in EDGES["i32"]:
        for b in EDGES["i32"]:
            for s in (0, 1, 15, 30):
                # floor(a * 2^s / b + 1/2) of the exact quotient.
                quotient = Fraction(a * 2**s, b) if b else Fraction(-1, 2)
                value = quotient + Fraction(1, 2)
                rows.append(("int_div", to, a, b, s, sat(value.numerator // value.denominator, to)))
            for s in (-128, -31, 0, 1, 16, 62):
                rows.append(("mul_shift", to, a, b, s, sat(rounded(a * b, s), to)))
            for s in (-128, -1, 0, 1, 15, 31, 127):
                value = rounded(a, s) if s <= 0 else (a + b % 2 ** min(s, 31)) >> min(s, 31)
                rows.append(("shift_random", to, a, s, b, sat(value, to)))
for a in EDGES["i32"] + [2, 3, 4, 1000, 65535, 65536]:
    rows.append(("bit_len", "i8", a, abs(a).bit_length()))
    for s in (0, 1, 12, 29, 30):
        rows.append(("rsqrt", "i32", a, s, nearest_root(Fraction(4**s, a)) if a > 0 else 0))
for to in ("i16", "i32"):
    for a in (-32768, -32767, -1, 0, 1, 100, 32766, 32767):
        for left in RANGE[to]:
            for right in RANGE[to]:
                # Three points, left, right, left.
                first, rest = divmod(a + 32768, 32768)
                rise = (left - right) if first else (right - left)
                value = (right if first else left) + rounded(rise * rest, 15)
                rows.append(("lut_interp", to, a, left, right, value))
ROWS = [
    (0, 0, 0, 0),
    (-32768,) * 4,
    (32767, -32768, 32767, -32768),
    (32767, -32768, -32768, -32768),
    (1, 0, 0, 0),
    (1, 2, 3, 4),
    (-5, 700, 701, 12000),
]
for row in ROWS:
    for to in ("i8", "i16"):
        for multiplier in (-32768, 0, 1, 1477, 32767):
            for s in (-128, -1, 0, 10, 30):
                for at, value in enumerate(softmax(row, multiplier, s, to)):
                    rows.append(("softmax", to, multiplier, s, *row, at, value))
    for to in RANGE:
        for kind in (0, 1):
            for epsilon in (0, 1, 2**32 - 1):
                for s, gamma, beta in (
                    (0, 256, 0),
                    (-128, -32768, 1),
                    (3, 32767, -(2**31)),
                    (127, 5, 2**31 - 1),
                ):
                    for at, value in enumerate(norm(row, kind, epsilon, s, gamma, beta, to)):
                        rows.append(("norm", to, kind, epsilon, s, gamma, beta, *row, at, value))
LEAST, MOST = RANGE["i32"]
for row in (
    (0, 0, 0, 0),
    (LEAST,) * 4,
    (MOST,) * 4,
    (MOST, MOST, LEAST, LEAST),
    (100, 27, 1, -200),
    (-5, 700, 32000, -1),
):
    for to in RANGE:
        for exclusive in (0, 1):
            for reverse in (0, 1):
                for at in range(4):
                    part = row[at + exclusive :] if reverse else row[: at + 1 - exclusive]
                    rows.append(("cum_sum", to, exclusive, reverse, *row, at, sat(sum(part), to)))
out = Path(__file__).with_name("edges.tsv")
out.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
print(f"{len(rows)} rows in {out.name}")
