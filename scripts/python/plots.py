"""Line and bar charts as SVG text: no library, no script, nothing loaded. `STYLE` is for the page that they stand in, `alone` for a file."""

import math
from html import escape

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 34, 52
STYLE = """svg text { font: 11px system-ui, sans-serif; fill: #1f2328 } svg .title { font-weight: 600; font-size: 13px }
.grid { stroke: #d8dee4; stroke-width: 1 }"""
COLORS = ["#1f6feb", "#2da44e", "#d1242f", "#bf8700", "#8250df", "#57606a"]


def alone(chart):
    """As a file of its own, on white."""
    head, rest = chart.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"><style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{rest}\n'


def tick_label(value):
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


class Axis:
    """From values to places, in a line or by powers of ten."""

    def __init__(self, values, low_end, high_end, logarithmic):
        values = [v for v in values if v > 0 or not logarithmic] or [1]
        self.low, self.high, self.logarithmic = min(values), max(values), logarithmic
        if logarithmic:
            self.low = 10 ** math.floor(math.log10(self.low))
            self.high = 10 ** math.ceil(math.log10(self.high))
        else:
            self.low = 0
        if self.high <= self.low:
            self.high = self.low * 10 if logarithmic else self.low + 1
        self.low_end, self.high_end = low_end, high_end

    def place(self, value):
        if self.logarithmic:
            value = max(value, self.low)
            share = math.log10(value / self.low) / math.log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.low_end + share * (self.high_end - self.low_end)

    def ticks(self):
        if self.logarithmic:
            powers = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
            return [(10.0**power, tick_label(10.0**power)) for power in powers]
        step = 10 ** math.floor(math.log10(self.high / 4))
        step *= next(m for m in (1, 2, 5, 10) if self.high / (step * m) <= 6)
        return [(n * step, tick_label(n * step)) for n in range(int(self.high / step) + 1)]


def frame(title, x_name, y_name, x_ticks, y_ticks, inside):
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    parts.append(f'<text x="{LEFT}" y="18" class="title">{escape(title)}</text>')
    for place, label in x_ticks:
        parts.append(f'<line x1="{place:.1f}" y1="{TOP}" x2="{place:.1f}" y2="{HEIGHT - BOTTOM}" class="grid"/>')
        parts.append(f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(label)}</text>')
    for place, label in y_ticks:
        parts.append(f'<line x1="{LEFT}" y1="{place:.1f}" x2="{WIDTH - RIGHT}" y2="{place:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{escape(label)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 20}" text-anchor="middle">{escape(x_name)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>')
    return "\n".join([*parts, *inside, "</svg>"])


def legend(names):
    parts, at = [], LEFT
    for number, name in enumerate(names):
        color = COLORS[number % len(COLORS)]
        parts.append(f'<rect x="{at}" y="{HEIGHT - 12}" width="10" height="10" fill="{color}"/>')
        parts.append(f'<text x="{at + 14}" y="{HEIGHT - 3}">{escape(name)}</text>')
        at += 26 + 7 * len(name)
    return parts


def lines(title, x_name, y_name, series, x_log=False, y_log=False, x_ticks=None):
    """`series`: {name: [(x, y)…]}; `x_ticks`: [(x, label)…] where the numbers themselves are not meant to be read."""
    points = [point for values in series.values() for point in values]
    if not points:
        return ""
    xs = Axis([x for x, _ in points], LEFT, WIDTH - RIGHT, x_log)
    ys = Axis([y for _, y in points], HEIGHT - BOTTOM, TOP, y_log)
    inside = legend(series)
    for number, values in enumerate(series.values()):
        color = COLORS[number % len(COLORS)]
        path = " ".join(f"{xs.place(x):.1f},{ys.place(y):.1f}" for x, y in values)
        inside.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for x, y in values:
            inside.append(f'<circle cx="{xs.place(x):.1f}" cy="{ys.place(y):.1f}" r="3" fill="{color}"><title>{x:g}: {y:.4g}</title></circle>')
    marks = [(xs.place(x), label) for x, label in x_ticks or xs.ticks()]
    return frame(title, x_name, y_name, marks, [(ys.place(y), label) for y, label in ys.ticks()], inside)


def bars(title, y_name, values):
    """`values`: {name: number}."""
    if not values:
        return ""
    ys = Axis(values.values(), HEIGHT - BOTTOM, TOP, False)
    step = (WIDTH - LEFT - RIGHT) / len(values)
    inside, marks = [], []
    for number, (name, value) in enumerate(values.items()):
        left, top = LEFT + step * (number + 0.2), ys.place(value)
        color = COLORS[number % len(COLORS)]
        inside.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{step * 0.6:.1f}" height="{HEIGHT - BOTTOM - top:.1f}" fill="{color}"/>')
        inside.append(f'<text x="{left + step * 0.3:.1f}" y="{top - 4:.1f}" text-anchor="middle">{value:.4g}</text>')
        marks.append((left + step * 0.3, name))
    return frame(title, "", y_name, marks, [(ys.place(y), label) for y, label in ys.ticks()], inside)
