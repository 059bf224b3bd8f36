"""kill -9 at random instants under load: nothing acknowledged is lost, nothing counts twice."""

import random
import threading
import time

from harness import check, check_equal, verify

LOADERS = 4
BATCH = 40


class Loader(threading.Thread):
    """Sends batches of events with known ids; sends a batch again until it has a receipt."""

    def __init__(self, number, node, key, seed):
        super().__init__(daemon=True)
        self.number, self.node, self.key = number, node, key
        self.random = random.Random(seed * 1000 + number)
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


def test_nothing_acknowledged_is_lost_and_nothing_doubled(workspace):
    chance = random.Random(workspace.options.seed)
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    loaders = [Loader(i, node, write, workspace.options.seed) for i in range(LOADERS)]
    for loader in loaders:
        loader.start()
    for kill in range(workspace.options.kills):
        # From within the start itself to well into the load.
        time.sleep(chance.choice((0.0, 0.02, 0.1, 0.3, 0.8)) * chance.random() + 0.05 * chance.random())
        node.kill()
        if kill % 3 != 2:
            verify(node.data_dir)
        acknowledged = sum(l.acknowledged for l in loaders)
        if chance.random() < 0.2:  # killed again while it starts
            node.launch()
            time.sleep(chance.random() * 0.15)
            node.kill()
        node.start()
        counted = node.totals(read, "shop", ["events"])["events"]
        check(counted >= acknowledged,
              f"kill {kill}: {acknowledged} events were acknowledged, {counted} are counted")
        for loader in loaders:
            if loader.trouble:
                raise loader.trouble
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
