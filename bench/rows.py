"""What bench/run measures: the rows of its table, and how a row is judged."""

import statistics
from dataclasses import dataclass, field

KAMAILIO, FORWARDER, OURS = "kamailio", "tlsfwd", "entente"
USERS = 1000  # that register


@dataclass(frozen=True)
class Setting:
    """How an edge is started; rows with the same setting share a start."""
    role: str = "edge"  # or registrar
    next_proto: str = "tls"
    partners: int = 0  # p00000.example and so on, all behind the partner's Edge
    memory: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    flags: str  # of the load
    messages: int = 2  # that pass in one transaction or call
    setting: Setting = Setting()
    suts: tuple = (KAMAILIO, OURS, FORWARDER)
    value: str = "cpu_us"  # cpu_us: a message; p99_us; each_kib; parse_us
    reach: tuple = ()  # limits: (factor, of) - of an edge, of another row of ours (by name), or None: absolute
    aim: tuple = ()
    unit: str = field(default="µs")


def of_kamailio(factor):
    return ((factor, KAMAILIO),)


LOAD = "--conns 8 --window 32"
MESSAGE, PRESENCE = "--mode message", "--mode subscribe"
REGISTER = f"--mode register --users {USERS}"
LINEAR = 1.3
EDGE, TCP, REGISTRAR = Setting(), Setting(next_proto="tcp"), Setting(role="registrar")
FEW, MANY = Setting(partners=10), Setting(partners=10000)

ROWS = [
    Row("MESSAGE, 1 connection", f"{MESSAGE} --conns 1 --window 32", reach=of_kamailio(0.4), aim=of_kamailio(0.33)),
    Row("MESSAGE, 8 connections", f"{MESSAGE} {LOAD}", reach=of_kamailio(0.4),
        aim=((0.33, KAMAILIO), (1.2, FORWARDER))),
    Row("MESSAGE, 64 connections", f"{MESSAGE} --conns 64 --window 128", reach=of_kamailio(0.4),
        aim=((0.33, KAMAILIO), (1.2, FORWARDER))),
    Row("calls", f"--mode call {LOAD}", 6, reach=of_kamailio(0.4), aim=of_kamailio(0.3)),
    Row("presence", f"{PRESENCE} {LOAD}", 4, reach=of_kamailio(0.5), aim=of_kamailio(0.35)),
    Row("p99 at 2,000 MESSAGE/s, 8 connections", f"{MESSAGE} --conns 8 --rate 2000", value="p99_us",
        reach=of_kamailio(0.5), aim=((1.2, FORWARDER),)),
    Row("MESSAGE, 1,000 connections", f"{MESSAGE} --conns 1000 --window 2000", suts=(OURS, FORWARDER),
        reach=((LINEAR, "MESSAGE, 64 connections"),)),
    Row("MESSAGE at 10,000/s, 64 connections", f"{MESSAGE} --conns 64 --rate 10000", suts=(OURS, FORWARDER)),
    Row("MESSAGE at 10,000/s, 1,000 connections", f"{MESSAGE} --conns 1000 --rate 10000", suts=(OURS, FORWARDER),
        reach=((LINEAR, "MESSAGE at 10,000/s, 64 connections"),)),
    Row("MESSAGE, plain TCP inside", f"{MESSAGE} {LOAD} --b-proto tcp", setting=TCP, reach=of_kamailio(0.45),
        aim=of_kamailio(0.33)),
    Row("REGISTER refresh, TLS", f"{REGISTER} {LOAD}", setting=REGISTRAR, suts=(KAMAILIO, OURS),
        reach=of_kamailio(0.8), aim=of_kamailio(0.6)),
    Row("REGISTER refresh, UDP", f"{REGISTER} {LOAD} --a-proto udp", setting=REGISTRAR, suts=(KAMAILIO, OURS),
        reach=of_kamailio(0.8), aim=of_kamailio(0.6)),
    Row("parse of an INVITE with SDP", "", suts=(OURS,), value="parse_us", reach=((0.8, None),), aim=((0.4, None),)),
    Row("memory of a dialog", "--mode call --conns 8 --window 32 --dialogs 10000", setting=Setting(memory=True),
        suts=(KAMAILIO, OURS), value="each_kib", reach=((0.1, None),), aim=((0.1, None),), unit="KiB"),
    Row("MESSAGE, 10 partners", f"{MESSAGE} {LOAD} --from-domains 10", setting=FEW, suts=(OURS,)),
    Row("MESSAGE, 10,000 partners", f"{MESSAGE} {LOAD} --from-domains 10000", setting=MANY, suts=(OURS,),
        reach=((LINEAR, "MESSAGE, 10 partners"),)),
]


# --- the table ---
def good(results, row, sut):
    return [r[row.value] for r in results if r["row"] == row.name and r["sut"] == sut and "error" not in r]


def middle(results, row, sut):
    values = good(results, row, sut)
    return statistics.median(values) if values else None


def base_of(results, row, of):
    """What a limit's factor is multiplied with; None: it was not measured."""
    if of is None:
        return 1
    for other in ROWS:
        if other.name == of:
            return middle(results, other, OURS)
    return middle(results, row, of)


def holds(results, row, limits):
    """Whether ours keeps all limits; None: nothing to compare with."""
    ours = middle(results, row, OURS)
    bases = [base_of(results, row, of) for _, of in limits]
    if ours is None or not limits or None in bases:
        return None
    return all(ours <= factor * base for (factor, _), base in zip(limits, bases))


def limits_text(row, limits):
    names = {KAMAILIO: "Kamailio", FORWARDER: "forwarder"}
    return ", ".join(f"≤ {factor:g} {row.unit}" if of is None else f"≤ {factor:g} of {names.get(of, of)}"
                     for factor, of in limits)


def verdict(results, row, limits):
    held = holds(results, row, limits)
    return {None: "", True: " **met**", False: " **missed**"}[held] if limits else ""


def number(value):
    return "" if value is None else f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def ratio(ours, base):
    return f"{ours / base:.2f}" if ours is not None and base else ""


def line(results, row):
    ours, kamailio, forwarder = (middle(results, row, s) for s in (OURS, KAMAILIO, FORWARDER))
    return [f"{row.name}, {row.unit}", number(kamailio), number(forwarder), number(ours), ratio(ours, kamailio),
            ratio(ours, forwarder), limits_text(row, row.reach) + verdict(results, row, row.reach),
            limits_text(row, row.aim) + verdict(results, row, row.aim)]


def markdown(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |" for r in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def summary(results, rows):
    head = ["work", "Kamailio", "forwarder", "Entente", "of Kamailio", "of forwarder", "to reach", "aim"]
    return markdown([head] + [line(results, row) for row in rows])


def spread(values, digits=0):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def detail(results, row, sut):
    mine = [r for r in results if r["row"] == row.name and r["sut"] == sut]
    clean = [r for r in mine if "error" not in r]
    start = [row.name, sut, f"{len(clean)} of {len(mine)}"]
    if not clean:
        return start + [" ".join(mine[0]["error"].split())[:60] if mine else "did not come up"] + [""] * 4
    if "tps" not in clean[0]:
        return start + ["", spread([r[row.value] for r in clean], 2), "", "", ""]
    cpu = " / ".join(f"{statistics.median(r[k] for r in clean):.0f}"
                     for k in ("sut_cpu_pct", "gen_cpu_pct", "other_cpu_pct"))
    return start + [spread([r["tps"] for r in clean]), spread([r["cpu_us"] for r in clean], 1),
                    spread([r["p50_us"] for r in clean]), spread([r["p99_us"] for r in clean]), cpu]


def details(results, rows, suts):
    head = ["work", "edge", "clean runs", "rate /s", "CPU µs a message", "p50 µs", "p99 µs",
            "CPU % edge / load / others"]
    return markdown([head] + [detail(results, row, s) for row in rows for s in suts
                              if any(r["row"] == row.name and r["sut"] == s for r in results)])
