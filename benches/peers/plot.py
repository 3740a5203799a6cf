"""Horizontal bars as SVG: a panel for each network, a bar for each row, on an axis of logarithms."""

import math
from html import escape

OURS, OTHERS, INK, FAINT = "#0072b2", "#b0b0b0", "#222222", "#dddddd"
WIDTH, LABELS, VALUES, LINE, GAP, TOP = 470, 190, 56, 17, 46, 40


def decades(least, most):
    """The powers of ten around two values."""
    return range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)


def written(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def bars(title, panels):
    """`panels` are `(title, rows)`, a row `(name, is ours, median, least, most)`."""
    lines = max(len(rows) for _, rows in panels)
    height = lines * LINE + GAP
    across = min(2, len(panels))
    size = (WIDTH * across + 10, TOP + height * math.ceil(len(panels) / across))
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}"'
        f' viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="{size[0]}" height="{size[1]}" fill="#ffffff"/>',
        f'<text x="10" y="22" font-size="15">{escape(title)}</text>',
    ]
    for number, (name, rows) in enumerate(panels):
        svg.append(f'<g transform="translate({WIDTH * (number % across)} {TOP + height * (number // across)})">')
        svg += panel(name, rows)
        svg.append("</g>")
    return "\n".join([*svg, "</svg>"]) + "\n"


def panel(name, rows):
    if not rows:
        return []
    ticks = decades(min(row[3] for row in rows), max(row[4] for row in rows))
    place = lambda value: LABELS + (math.log10(value) - ticks[0]) / max(1, len(ticks) - 1) * (WIDTH - LABELS - VALUES)
    bottom = 14 + len(rows) * LINE
    svg = [f'<text x="10" y="6" font-weight="bold">{escape(name)}</text>']
    for tick in ticks:
        x = place(10.0**tick)
        svg.append(f'<path d="M{x:.1f} 14V{bottom}" stroke="{FAINT}"/>')
        svg.append(f'<text x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">{written(10.0**tick)}</text>')
    for number, (label, is_ours, median, least, most) in enumerate(rows):
        y = 14 + number * LINE
        middle = y + LINE / 2
        svg += [
            f'<text x="{LABELS - 6}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABELS}" y="{y + 2}" width="{max(1.0, place(median) - LABELS):.1f}" height="{LINE - 5}"'
            f' fill="{OURS if is_ours else OTHERS}"/>',
            f'<path d="M{place(least):.1f} {middle - 0.5}H{place(most):.1f}" stroke="{INK}"/>',
            f'<text x="{place(most) + 5:.1f}" y="{middle + 4}">{written(median)}</text>',
        ]
    return svg
