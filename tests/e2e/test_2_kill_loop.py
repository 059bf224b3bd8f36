"""kill -9 at random instants and at named points: nothing acknowledged is lost, nothing counts twice."""

import json
import random
import subprocess
import threading
import time

from harness import check, check_equal, verify

LOADERS = 4
BATCH = 40
CRASHED = 86  # the exit code of a node at a crash point, actors/crash_points.hpp

# Point and the passing at which it kills: a few rounds, snapshots and flushes must have gone well.
POINTS = {
    "journal_before_write": (1, 30), "journal_after_write": (1, 30),
    "registry_before_write": (1, 2), "registry_after_write": (1, 2),
    "lane_before_apply": (1, 30),
    "snapshot_before_write": (1, 3), "snapshot_after_write": (1, 3),
    "keeper_before_flush": (1, 2), "keeper_after_flush": (1, 2), "keeper_after_mark": (1, 2),
}


class Loader(threading.Thread):
    """Sends batches of events with known ids; sends a batch again until it has a receipt."""

    def __init__(self, number, node, key, seed, pause):
        super().__init__(daemon=True)
        self.number, self.node, self.key = number, node, key
        self.random = random.Random(seed * 1000 + number)
        self.pause = pause
        self.acknowledged = 0   # events with a receipt
        self.cents = 0          # of their orders
        self.orders = 0
        self.resent = 0
        self.trouble = None
        self.stop = threading.Event()

    def batch(self, n):
        events, cents, orders = [], 0, 0
        for i in range(BATCH):
            event = {"id": f"{self.number}-{n}-{i}", "at": 1_290_000_000_000 + n * 60_000 + i,
                     "name": "page_view", "visitor": f"v{self.random.randrange(400)}"}
            if i % 10 == 0:
                price = self.random.randrange(1, 10_000)
                event["name"] = "purchase"
                event["order"] = {"id": event["id"], "currency": "GBP", "items": [
                    {"id": "p", "quantity": 1, "price": f"{price // 100}.{price % 100:02}"}]}
                cents += price
                orders += 1
            events.append(event)
        return events, cents, orders

    def run(self):
        n = 0
        try:
            while not self.stop.is_set():
                events, cents, orders = self.batch(n)
                self.deliver(events)
                self.acknowledged += BATCH
                self.cents += cents
                self.orders += orders
                n += 1
                if self.pause:
                    time.sleep(self.pause)
        except Exception as e:  # the main thread reports it
            self.trouble = e

    def deliver(self, events):
        while True:
            try:
                answer = self.node.send(self.key, events, timeout=15)
            except OSError:
                self.resent += 1
                time.sleep(0.02)
                continue
            if answer.status == 503:
                self.resent += 1
                time.sleep(0.02)
                continue
            check(answer.status in (200, 202), f"status {answer.status}: {answer.body[:300]!r}")
            receipt = answer.json()
            check_equal(receipt["rejected"], [], "rejected")
            if answer.status == 200:
                check_equal(receipt["accepted"] + receipt["duplicate"], BATCH, "events in a receipt")
            return


def start_loaders(node, write, seed, count=LOADERS, pause=0.0):
    loaders = [Loader(i, node, write, seed, pause) for i in range(count)]
    for loader in loaders:
        loader.start()
    return loaders


def check_nothing_lost(node, read, loaders, acknowledged, what):
    """`acknowledged`: events with a receipt before the kill."""
    counted = node.totals(read, "shop", ["events"])["events"]
    check(counted >= acknowledged,
          f"{what}: {acknowledged} events were acknowledged, {counted} are counted")
    for loader in loaders:
        if loader.trouble:
            raise loader.trouble


def finish(node, read, loaders):
    """Ends the load and compares what was counted with what was sent, also after one more kill."""
    for loader in loaders:
        loader.stop.set()
    for loader in loaders:
        loader.join(60)
        check(not loader.is_alive(), "a loader hangs")
        if loader.trouble:
            raise loader.trouble
    sent = sum(l.acknowledged for l in loaders)
    cents = sum(l.cents for l in loaders)
    check(sum(l.resent for l in loaders) > 0, "no batch was ever interrupted: the test tests nothing")
    want = {"events": sent, "orders": sum(l.orders for l in loaders),
            "gross_sales": f"{cents // 100}.{cents % 100:02}"}
    got = node.totals(read, "shop", list(want))
    check_equal(got, want, "counted against distinct sent")
    node.kill()
    verify(node.data_dir)
    node.start()
    check_equal(node.totals(read, "shop", list(want)), want, "counted after one more kill")


class Operator(threading.Thread):
    """Brings the node to points that the load alone reaches seldom or never, until it has ended."""

    def __init__(self, node, point):
        super().__init__(daemon=True)
        self.node, self.point, self.made = node, point, []

    def run(self):
        for i in range(20):
            try:
                if self.point.startswith("registry"):
                    name = f"at-{self.point}-{i}"
                    self.node.create_merchant(name)
                    self.made.append(name)
                elif self.point.startswith("snapshot"):
                    self.node.cli("snapshot", "shop")
            except (AssertionError, ValueError, subprocess.TimeoutExpired):
                return


def test_nothing_is_lost_at_any_named_crash_point(workspace):
    chance = random.Random(workspace.options.seed)
    node = workspace.node(flags=["--engine-flush-interval", "1s"]).start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    # A light load: each verify replays all of it.
    loaders = start_loaders(node, write, workspace.options.seed, count=2, pause=0.02)
    points = list(POINTS)
    chance.shuffle(points)
    for point in points:
        node.kill()
        acknowledged = sum(l.acknowledged for l in loaders)
        node.env["TALLY_CRASH_AT"] = f"{point}:{chance.randint(*POINTS[point])}"
        node.launch()  # it may reach the point before it is ready
        while node.alive() and not node.ready():
            time.sleep(0.01)
        operator = Operator(node, point)
        operator.start()
        try:
            code = node.process.wait(60)
        except subprocess.TimeoutExpired:
            check(False, f"{node.env['TALLY_CRASH_AT']} was not reached in 60 s")
        check_equal(code, CRASHED, f"exit code at {node.env['TALLY_CRASH_AT']}\n{node.tail()}")
        del node.env["TALLY_CRASH_AT"]
        verify(node.data_dir)
        acknowledged = max(acknowledged, sum(l.acknowledged for l in loaders))
        node.start()
        check_nothing_lost(node, read, loaders, acknowledged, point)
        operator.join(60)
        check(not operator.is_alive(), "a command hangs")
        known = {m["merchant"] for m in json.loads(node.cli("merchant", "list", "-o", "json"))["merchants"]}
        check(known.issuperset(operator.made), f"{point}: a merchant that was created is gone")
    finish(node, read, loaders)


def test_nothing_acknowledged_is_lost_and_nothing_doubled(workspace):
    chance = random.Random(workspace.options.seed)
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    loaders = start_loaders(node, write, workspace.options.seed)
    for kill in range(workspace.options.kills):
        # From within the start itself to well into the load.
        time.sleep(chance.choice((0.0, 0.02, 0.1, 0.3, 0.8)) * chance.random() + 0.05 * chance.random())
        node.kill()
        verify(node.data_dir)
        acknowledged = sum(l.acknowledged for l in loaders)
        if chance.random() < 0.2:  # killed again while it starts
            node.launch()
            time.sleep(chance.random() * 0.15)
            node.kill()
        node.start()
        check_nothing_lost(node, read, loaders, acknowledged, f"kill {kill}")
    finish(node, read, loaders)
