"""Draws what a demo measured: python3 -m lab.picture DEMO.json OUT.svg

Messages between the two organisations, begun in each quarter of a second: delivered and lost, for the move without loss
and for the old procedure, with the moments at which the steps began.
"""

import json
import sys
from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 920, 150, 60, 44, 84
COLOURS = {"delivered": "#2f7d4f", "lost": "#c0392b", "mark": "#8a8f98", "text": "#2b2f36", "grid": "#dfe3e8"}
TITLES = {"Entente": "entente transition apply", "classic": "the old procedure (--classic)"}
STEP_WORDS = ("move begins", "move ends")


def short(name):
    """The words of a mark that deserve a line: where the move begins and ends, and each step's begin."""
    if name in STEP_WORDS:
        return name
    parts = name.split(None, 1)
    if len(parts) == 2 and "/" in parts[0] and parts[1].startswith("waiting"):
        return parts[0].split("/")[0]
    return None


def bars(timeline, x_of, y_of, bottom):
    out = []
    for i, (sent, delivered) in enumerate(timeline["slots"]):
        x, width = x_of(i * timeline["slot_s"]), x_of(timeline["slot_s"]) - x_of(0) - 0.6
        for colour, low, high in (("delivered", 0, delivered), ("lost", delivered, sent)):
            if high > low:
                out.append(f'<rect x="{x:.1f}" y="{y_of(high):.1f}" width="{width:.1f}" '
                           f'height="{y_of(low) - y_of(high):.1f}" fill="{COLOURS[colour]}"/>')
    out.append(f'<line x1="{LEFT}" y1="{bottom}" x2="{WIDTH - 20}" y2="{bottom}" stroke="{COLOURS["text"]}"/>')
    return out


def marks(timeline, x_of, top, bottom):
    out, last = [], -100
    for at, name in timeline["marks"]:
        word = short(name)
        if word is None:
            continue
        x = x_of(at)
        out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{COLOURS["mark"]}" '
                   'stroke-dasharray="3 3"/>')
        if x - last > (60 if word in STEP_WORDS else 14):
            anchor = "end" if word == STEP_WORDS[0] else "start"
            out.append(f'<text x="{x:.1f}" y="{top - 4}" font-size="11" text-anchor="{anchor}">{escape(word)}</text>')
            last = x
    return out


def chart(name, report, top):
    timeline = report["timeline"]
    seconds = len(timeline["slots"]) * timeline["slot_s"]
    most = max((sent for sent, _ in timeline["slots"]), default=1)
    bottom = top + HEIGHT

    def x_of(second):
        return LEFT + second / max(seconds, 1) * (WIDTH - LEFT - 20)

    def y_of(count):
        return bottom - count / most * HEIGHT

    m, c = report["totals"]["messages"], report["totals"]["calls"]
    gap = max((d["longest_gap_ms"] for way, d in report["directions"].items() if len(set(way.split(" > "))) == 2),
              default=0)
    head = (f'{TITLES.get(name, name)}: {m["sent"]} messages, {m["lost"]} lost; {c["made"]} calls, {c["dropped"]} dropped; '
            f'longest gap {gap} ms')
    out = [f'<text x="{LEFT}" y="{top - 24}" font-size="14" font-weight="bold">{escape(head)}</text>']
    rate = most / timeline["slot_s"]
    out.append(f'<text x="{LEFT - 6}" y="{top + 10}" font-size="11" text-anchor="end">{rate:.0f}/s</text>')
    for second in range(0, int(seconds) + 1, 5):
        out.append(f'<text x="{x_of(second):.1f}" y="{bottom + 15}" font-size="11" text-anchor="middle">{second} s</text>')
    return out + bars(timeline, x_of, y_of, bottom) + marks(timeline, x_of, top, bottom)


def draw(runs):
    body, top = [], TOP + 20
    for name, report in runs.items():
        body += chart(name, report, top)
        top += HEIGHT + GAP
    height = top - 20
    legend = (f'<rect x="{LEFT}" y="{height - 22}" width="10" height="10" fill="{COLOURS["delivered"]}"/>'
              f'<text x="{LEFT + 16}" y="{height - 13}" font-size="12">delivered once, with its 200</text>'
              f'<rect x="{LEFT + 220}" y="{height - 22}" width="10" height="10" fill="{COLOURS["lost"]}"/>'
              f'<text x="{LEFT + 236}" y="{height - 13}" font-size="12">lost</text>'
              f'<text x="{LEFT + 300}" y="{height - 13}" font-size="12">numbers: steps of the plan</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'fill="{COLOURS["text"]}"><rect width="100%" height="100%" fill="#ffffff"/>' + "\n".join(body) + legend +
            "</svg>\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as source:
        runs = json.load(source)
    with open(sys.argv[2], "w") as out:
        out.write(draw(runs))
