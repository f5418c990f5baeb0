"""Loss curves as SVG."""

import numpy as np

WIDTH, HEIGHT, MARGIN = 640, 320, 48
CURVES = {"float": ("f32 (PyTorch)", "#888888", ""), "integer": ("integers", "#d6336c", "5 4")}


def smooth(values, window):
    """Mean over the last `window` values."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def plot(name, curves):
    """Loss by step, on a logarithmic scale."""
    steps = len(curves["float"])
    window = max(1, steps // 50)
    curves = {kind: np.log10(np.maximum(smooth(curves[kind], window), 1e-6)) for kind in CURVES}
    low, high = min(map(np.min, curves.values())), max(map(np.max, curves.values()))
    high = max(high, low + 1e-3)

    def x(step):
        return MARGIN + step / max(steps - 1, 1) * (WIDTH - 2 * MARGIN)

    def y(value):
        return MARGIN + (high - value) / (high - low) * (HEIGHT - 2 * MARGIN)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="20">{name}: training loss, mean of seeds and {window} steps</text>',
    ]
    for tick in np.linspace(low, high, 5):
        parts.append(
            f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            'stroke="#eeeeee"/>'
            f'<text x="4" y="{y(tick) + 4:.1f}">{10**tick:.3g}</text>'
        )
    parts.append(
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 20}" text-anchor="end">step {steps}</text>'
    )
    for row, (kind, (label, colour, dashes)) in enumerate(CURVES.items()):
        points = " ".join(
            f"{x(step):.1f},{y(value):.1f}" for step, value in enumerate(curves[kind])
        )
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        parts.append(
            f'<text x="{WIDTH - MARGIN - 120}" y="{MARGIN + 16 * row}" '
            f'fill="{colour}">{label}</text>'
        )
    return "\n".join(parts + ["</svg>", ""])
