"""A strict reader of the Prometheus text exposition format 0.0.4: whatever the format forbids, and what promtool would
complain of, raises Malformed.

    families = read(text)
    families["entente_requests_total"].samples[(("class", "2xx"), ("method", "MESSAGE"))]
"""

import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class Malformed(Exception):
    pass


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type = name, help_text, None
        self.samples = {}  # sorted label pairs (histograms: with "__name__") -> value

    def value(self, **labels):
        """The sum over all samples that have these labels."""
        wanted = set(labels.items())
        return sum(v for k, v in self.samples.items() if wanted <= set(k))

    def count(self, **labels):
        return self.value(__name__=f"{self.name}_count", **labels)


def _unescape(text, quoted):
    out, i = "", 0
    while i < len(text):
        if text[i] == "\\":
            known = {"\\": "\\", "n": "\n", **({'"': '"'} if quoted else {})}
            if i + 1 == len(text) or text[i + 1] not in known:
                raise Malformed(f"a bad escape in {text!r}")
            out += known[text[i + 1]]
            i += 2
        else:
            if quoted and text[i] == '"':
                raise Malformed(f"a bare quote in {text!r}")
            out += text[i]
            i += 1
    return out


def _labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        name = LABEL.match(text, at)
        if not name or text[name.end():name.end() + 2] != '="':
            raise Malformed(f"labels of {line!r}")
        end = name.end() + 2
        while end < len(text) and text[end] != '"':
            end += 2 if text[end] == "\\" else 1
        if end >= len(text):
            raise Malformed(f"an open quote in {line!r}")
        if name.group() in labels or name.group().startswith("__"):
            raise Malformed(f"label {name.group()} of {line!r}")
        labels[name.group()] = _unescape(text[name.end() + 2:end], True)
        at = end + 1
        if at < len(text):
            if text[at] != "," or at + 1 == len(text):
                raise Malformed(f"labels of {line!r}")
            at += 1
    return labels


def _number(text, line):
    if not re.fullmatch(r"[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN", text):
        raise Malformed(f"the number of {line!r}")
    return float(text.replace("Inf", "inf"))


def _sample(line, family):
    name = NAME.match(line)
    if not name:
        raise Malformed(f"no name: {line!r}")
    rest, labels = line[name.end():], {}
    if rest.startswith("{"):
        end = 1
        while end < len(rest) and rest[end] != "}":  # a brace may stand in a value
            if rest[end] == '"':
                end += 1
                while end < len(rest) and rest[end] != '"':
                    end += 2 if rest[end] == "\\" else 1
            end += 1
        if end >= len(rest):
            raise Malformed(f"open labels: {line!r}")
        labels, rest = _labels(rest[1:end], line), rest[end + 1:]
    if not re.fullmatch(r" [^ ]+", rest):
        raise Malformed(f"what follows the name: {line!r}")
    suffixes = ("_bucket", "_sum", "_count") if family.type == "histogram" else ("",)
    suffix = name.group()[len(family.name):] if name.group().startswith(family.name) else None
    if suffix not in suffixes:
        raise Malformed(f"{name.group()} within {family.name} ({family.type})")
    if ("le" in labels) != (suffix == "_bucket"):
        raise Malformed(f"le: {line!r}")
    return name.group(), labels, _number(rest[1:], line)


def _check_histogram(family):
    series = {}
    for key, value in family.samples.items():
        labels = dict(key)
        name, le = labels.pop("__name__"), labels.pop("le", None)
        parts = series.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if le is None:
            parts[name] = value
        else:
            parts["buckets"].append((math.inf if le == "+Inf" else float(le), value))
    for labels, parts in series.items():
        bounds = [b for b, _ in parts["buckets"]]
        counts = [c for _, c in parts["buckets"]]
        if bounds != sorted(set(bounds)) or not bounds or bounds[-1] != math.inf:
            raise Malformed(f"bounds of {family.name} {labels}: {bounds}")
        if counts != sorted(counts):
            raise Malformed(f"{family.name} {labels} is not cumulative: {counts}")
        if parts.get(f"{family.name}_count") != counts[-1] or f"{family.name}_sum" not in parts:
            raise Malformed(f"sum or count of {family.name} {labels}")


def read(text):
    if not text.endswith("\n"):
        raise Malformed("the last line does not end")
    families, current = {}, None
    for line in text[:-1].split("\n"):
        if line != line.strip() or not line:
            raise Malformed(f"white space: {line!r}")
        if line.startswith("#"):
            kind, _, rest = line[2:].partition(" ")
            name, _, value = rest.partition(" ")
            if line[:2] != "# " or not NAME.fullmatch(name):
                raise Malformed(f"a comment of no use: {line!r}")
            if kind == "HELP":
                if name in families:
                    raise Malformed(f"{name} comes twice")
                current = families[name] = Family(name, _unescape(value, False))
                if not value:
                    raise Malformed(f"{name} has no help")
            elif kind == "TYPE":
                if not current or current.name != name or current.type or current.samples or value not in TYPES:
                    raise Malformed(f"a type out of place: {line!r}")
                current.type = value
            else:
                raise Malformed(f"a comment of no use: {line!r}")
            continue
        if not current or not current.type:
            raise Malformed(f"a sample before its family: {line!r}")
        name, labels, value = _sample(line, current)
        if current.type == "histogram":
            labels["__name__"] = name
        key = tuple(sorted(labels.items()))
        if key in current.samples:
            raise Malformed(f"twice: {line!r}")
        current.samples[key] = value
    for family in families.values():
        if family.type == "histogram":
            _check_histogram(family)
        if (family.type == "counter") != family.name.endswith("_total"):
            raise Malformed(f"{family.name} is a {family.type}")
        if family.type == "counter" and any(not v >= 0 for v in family.samples.values()):
            raise Malformed(f"{family.name} is negative")
    return families
