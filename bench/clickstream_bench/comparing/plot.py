"""Bars in SVG: events a second of each system, on the clock and per CPU second, with the range of rounds."""

import statistics
from typing import Any
from xml.sax.saxutils import escape

WIDTH, ROW, LEFT, RIGHT = 720, 22, 150, 110
COLOURS = {"events_s": "#4c78a8", "events_cpu_s": "#f58518"}
LABELS = {"events_s": "events/s on the clock", "events_cpu_s": "events per CPU second"}


def bars(rounds: list[dict[str, Any]]) -> str:
    """Return the plot of all rounds as an SVG document."""
    names = list(dict.fromkeys(name for one in rounds for name in one))
    greatest = max(one[name][key] for one in rounds for name in one for key in COLOURS)
    scale = (WIDTH - LEFT - RIGHT) / greatest
    parts, top = [], 34
    for position, (key, label) in enumerate(LABELS.items()):
        left = LEFT + position * 220
        parts.append(f'<rect x="{left}" y="8" width="12" height="12" fill="{COLOURS[key]}"/>')
        parts.append(f'<text x="{left + 18}" y="18">{label}</text>')
    for name in names:
        middle = top + ROW + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(name)}</text>')
        for key, colour in COLOURS.items():
            values = [one[name][key] for one in rounds if name in one]
            length, low, high = (v * scale for v in (statistics.median(values), min(values), max(values)))
            line = top + ROW / 2
            parts.append(
                f'<rect x="{LEFT}" y="{top + 3}" width="{length:.1f}" height="{ROW - 6}" fill="{colour}"/>'
                f'<path d="M{LEFT + low:.1f} {line}H{LEFT + high:.1f}" stroke="#222" stroke-width="2"/>'
                f'<text x="{LEFT + high + 6:.1f}" y="{line + 4}">{statistics.median(values):,.0f}</text>'
            )
            top += ROW
        top += 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" '
        f'font-size="12" fill="#222"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )
