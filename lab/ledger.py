"""Counts what was sent and what arrived, and says of each lost thing where it stopped.

A message is delivered when the right user got the right body and the sender got its 200. It is counted once; what
arrives again is a duplicate, and what arrives at somebody else, or was never sent, is strange. A call is good when
each of its steps did what it should at both ends.
"""

import time
from datetime import datetime, timezone

LOSSES_KEPT = 500
SLOT_S = 0.25  # of the timeline
FIRST_STEP = "the begin"  # before the first mark


def wall(at=None):
    return datetime.fromtimestamp(at or time.time(), timezone.utc).strftime("%H:%M:%S.%f")[:-3]


class MessageRecord:
    __slots__ = ("direction", "call_id", "sender", "receiver", "body", "at", "copies", "judged", "delivered")

    def __init__(self, direction, call_id, sender, receiver, body):
        self.direction, self.call_id, self.sender, self.receiver = direction, call_id, sender, receiver
        self.body, self.at, self.copies, self.judged, self.delivered = body, time.time(), 0, False, False


class CallRecord:
    __slots__ = ("direction", "call_id", "caller", "callee", "long", "at", "status", "step", "judged", "near", "far",
                 "arrived", "rang")

    def __init__(self, direction, call_id, caller, callee, long):
        self.direction, self.call_id, self.caller, self.callee, self.long = direction, call_id, caller, callee, long
        self.at, self.status, self.step, self.judged = time.time(), None, "INVITE", False
        self.near = self.far = None  # the Call of each end
        self.arrived = None          # future: True when the callee has the ACK
        self.rang = False


class Direction:
    """From one domain to another (or the same)."""

    def __init__(self, name):
        self.name = name
        self.sent = self.delivered = self.lost = self.duplicates = 0
        self.made = self.good = self.dropped = self.long_made = self.long_good = self.long_dropped = 0
        self.last_delivery = None
        self.gap_s, self.gap_at = 0.0, None

    def tick(self, now):
        """A delivery, the begin or the end of the traffic: the time since the last one is a gap."""
        if self.last_delivery is not None and now - self.last_delivery > self.gap_s:
            self.gap_s, self.gap_at = now - self.last_delivery, self.last_delivery
        self.last_delivery = now

    def summary(self):
        return {"messages": {"sent": self.sent, "delivered": self.delivered, "lost": self.lost,
                             "duplicates": self.duplicates},
                "calls": {"made": self.made, "good": self.good, "dropped": self.dropped},
                "long_calls": {"made": self.long_made, "good": self.long_good, "dropped": self.long_dropped},
                "longest_gap_ms": round(self.gap_s * 1000),
                "longest_gap_at": wall(self.gap_at) if self.gap_at else None}


class Ledger:
    def __init__(self):
        self.directions = {}
        self.messages, self.calls = {}, {}
        self.losses, self.losses_total, self.strange = [], 0, 0
        self.events = []
        self.marks = []  # (time, name), as given
        self.lost_after = {}  # name of the mark that was the last when the lost thing began -> how many
        self.started_at = None

    def direction(self, sender, receiver):
        name = f"{sender.split('@')[1]} > {receiver.split('@')[1]}"
        if name not in self.directions:
            self.directions[name] = Direction(name)
        return self.directions[name]

    def event(self, name, /, **fields):
        entry = {"time": wall(), "event": name, **fields}
        self.events.append(entry)
        return entry

    def mark(self, name):
        self.marks.append((time.time(), name))
        return self.event("mark", name=name, lost=self.losses_total)

    def begin(self):
        self.started_at = time.time()
        for direction in self.directions.values():
            direction.tick(self.started_at)

    def end(self):
        for direction in self.directions.values():
            if direction.sent:
                direction.tick(time.time())

    def loss(self, kind, record, where, status):
        self.losses_total += 1
        step = next((name for at, name in reversed(self.marks) if at <= record.at), FIRST_STEP)
        self.lost_after[step] = self.lost_after.get(step, 0) + 1
        if len(self.losses) < LOSSES_KEPT:
            sender = getattr(record, "sender", None) or record.caller
            receiver = getattr(record, "receiver", None) or record.callee
            self.losses.append({"time": wall(record.at), "ended": wall(), "kind": kind, "call_id": record.call_id,
                                "from": sender, "to": receiver, "status": status, "where": where})

    # --- messages ---
    def message_sent(self, call_id, sender, receiver, body):
        record = MessageRecord(self.direction(sender, receiver), call_id, sender, receiver, body)
        record.direction.sent += 1
        if record.direction.last_delivery is None:
            record.direction.tick(record.at)
        self.messages[call_id] = record
        return record

    def message_arrived(self, call_id, at_user, from_user, body):
        record = self.messages.get(call_id)
        if not record or (record.receiver, record.sender, record.body) != (at_user, from_user, body):
            self.strange += 1
            self.event("strange-message", call_id=call_id, at=at_user, sender=from_user)
            return
        record.copies += 1
        if record.copies == 1:
            record.direction.tick(time.time())
        else:
            record.direction.duplicates += 1
            self.event("duplicate-message", call_id=call_id, at=at_user)

    def message_answered(self, record, status, reason):
        record.judged = True
        if status == 200 and record.copies:
            record.direction.delivered += 1
            record.delivered = True
            return
        record.direction.lost += 1
        arrived = "arrived, its answer did not come back" if record.copies else "did not arrive"
        if status == 200:
            arrived = "200, but it did not arrive"
        self.loss("message", record, arrived, f"{status} {reason}")

    # --- calls ---
    def call_made(self, call_id, caller, callee, long):
        record = CallRecord(self.direction(caller, callee), call_id, caller, callee, long)
        record.direction.made += 1
        record.direction.long_made += long
        self.calls[call_id] = record
        return record

    def call_good(self, record):
        record.judged = True
        record.direction.good += 1
        record.direction.long_good += record.long

    def call_dropped(self, record, where, status):
        if record.judged:
            return
        record.judged = True
        record.direction.dropped += 1
        record.direction.long_dropped += record.long
        self.loss("long call" if record.long else "call", record, where, status)

    # --- result ---
    def steps(self):
        return dict.fromkeys([FIRST_STEP] + [name for _, name in self.marks])

    def unfinished(self):
        """What nobody has judged when all is over is lost."""
        for record in [m for m in self.messages.values() if not m.judged]:
            self.message_answered(record, 0, "unfinished")
        for record in [c for c in self.calls.values() if not c.judged]:
            self.call_dropped(record, f"{record.step}, unfinished", record.status)

    def timeline(self):
        """Messages between organisations begun in each slot since the traffic began: [sent, delivered], and marks."""
        slots = {}
        for record in self.messages.values():
            if not self.started_at or record.sender.split("@")[1] == record.receiver.split("@")[1]:
                continue
            slot = slots.setdefault(max(0, int((record.at - self.started_at) / SLOT_S)), [0, 0])
            slot[0] += 1
            slot[1] += record.delivered
        return {"slot_s": SLOT_S, "slots": [slots.get(i, [0, 0]) for i in range(max(slots, default=-1) + 1)],
                "marks": [[round(at - self.started_at, 3), name] for at, name in self.marks if self.started_at]}

    def report(self):
        directions = {name: d.summary() for name, d in sorted(self.directions.items())}
        totals = {}
        for kind in ("messages", "calls", "long_calls"):
            for summary in directions.values():
                for key, value in summary[kind].items():
                    totals.setdefault(kind, {}).setdefault(key, 0)
                    totals[kind][key] += value
        gaps = [d["longest_gap_ms"] for d in directions.values()]
        return {"directions": directions, "totals": totals, "strange": self.strange,
                "longest_gap_ms": max(gaps, default=0), "losses_total": self.losses_total, "losses": self.losses,
                "lost_after": {step: self.lost_after[step] for step in self.steps() if step in self.lost_after},
                "events": self.events, "timeline": self.timeline()}


def lost_anything(report):
    totals = report["totals"]
    return bool(report["losses_total"] or report["strange"] or totals.get("messages", {}).get("duplicates"))


def table(report):
    """The report as text, a row a direction."""
    rows = [("direction", "sent", "delivered", "lost", "dup", "calls", "good", "dropped", "longest gap")]
    for name, d in report["directions"].items():
        m, c = d["messages"], d["calls"]
        rows.append((name, m["sent"], m["delivered"], m["lost"], m["duplicates"], c["made"], c["good"], c["dropped"],
                     f"{d['longest_gap_ms']} ms"))
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))) for row in rows)
