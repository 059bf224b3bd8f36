"""Topics of Kafka, read by a node that is killed again and again: every message counts once."""

import http.client
import json
import os
import random
import signal
import subprocess
import time

import test_16_failover as failover
from harness import BINARY, Failed, Skip, check, check_equal

WITH_KAFKA = BINARY.parent / "tally-kafka"
BROKERS = BINARY.parent / "tests/mock_brokers"
PARTITIONS = 3


class Brokers:
    """Brokers that librdkafka plays in a process of their own, and a producer to them."""

    def __init__(self, workspace, topic):
        if not WITH_KAFKA.exists() or not BROKERS.exists():
            raise Skip("built without -DTALLY_KAFKA_TESTS=ON")
        self.process = subprocess.Popen([str(BROKERS), topic, str(PARTITIONS)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        workspace.closers.append(self.end)
        self.address = self.process.stdout.readline().strip()

    def send(self, messages):
        """(partition, time in ms, text): returns when the brokers have them."""
        for partition, at, text in messages:
            self.process.stdin.write(f"{partition} {at} {text}\n")
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        check_equal(self.process.stdout.readline(), "sent\n", "answer of the producer")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def metric_at(address, name):
    """None where nobody answers, or where there is no such number."""
    try:
        connection = http.client.HTTPConnection(*address.rsplit(":", 1), timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")), None)


def metric(node, name):
    return metric_at(f"127.0.0.1:{node.admin_port}", name)


def settled(node, read, events, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if metric(node, "tally_kafka_lag_messages") == 0 and metric(node, "tally_kafka_partitions") == PARTITIONS:
            if node.totals(read, "shop", ["events"])["events"] >= events:
                return
        time.sleep(0.05)


def test_every_message_counts_once_whatever_is_killed(workspace):
    brokers = Brokers(workspace, "clicks")
    node = workspace.node(binary=WITH_KAFKA, env={
        "TALLY_KAFKA_BROKERS": brokers.address, "TALLY_KAFKA_TOPICS": "clicks=shop",
        "TALLY_KAFKA_BATCH_MESSAGES_MAX": "100", "TALLY_KAFKA_POSITION_INTERVAL": "100ms"}).start()
    _, read = node.create_merchant("shop")
    chance = random.Random(workspace.options.seed)
    events = orders = bad = 0
    for turn in range(6):
        messages = []
        for i in range(1500):
            at = 1767607200000 + turn * 1500 + i
            kind = chance.random()
            if kind < 0.01:
                messages.append((i % PARTITIONS, at, '{"name": '))
                bad += 1
            elif kind < 0.1:
                order = {"name": "purchase", "visitor": f"v{i}", "order": {"id": f"{turn}-{i}", "total": "0.10"}}
                messages.append((i % PARTITIONS, at, json.dumps(order)))
                orders += 1
                events += 1
            else:
                both = json.dumps([{"name": "page_view", "visitor": f"v{i}"}, {"name": "x", "visitor": f"v{i}"}])
                messages.append((i % PARTITIONS, at, both))
                events += 2
        brokers.send(messages)
        if turn == 3:
            # Without a kill nothing is read again.
            check_equal(node.terminate(), 0, "exit code")
        else:
            time.sleep(chance.uniform(0, 0.4))
            node.kill()
        node.start()
    settled(node, read, events)
    check_equal(node.totals(read, "shop", ["events", "orders", "gross_sales"]),
                {"events": events, "orders": orders, "gross_sales": f"{orders / 10:.2f}"}, "counted")
    ledger = node.ledger(read)
    check_equal(ledger["accepted"], events, "accepted")
    check_equal(ledger["rejected"], {"bad_json": bad}, "bad messages")
    kept = node.cli("rejects", "list", "shop", "-o", "json")
    check("clicks/" in kept and "@" in kept, f"the place of a bad message: {kept[:300]}")

    # Nothing is left to be read again after an orderly end.
    check_equal(node.terminate(), 0, "exit code")
    before = node.start().ledger(read)
    settled(node, read, events)
    check_equal(metric(node, "tally_kafka_messages_total"), 0, "messages read again")
    check_equal(node.ledger(read), before, "ledger")


def test_in_a_cluster_whoever_leads_the_merchant_reads_its_topics(workspace):
    brokers = Brokers(workspace, "clicks")
    wanted = {"TALLY_KAFKA_BROKERS": brokers.address, "TALLY_KAFKA_TOPICS": "clicks=shop",
              "TALLY_KAFKA_POSITION_INTERVAL": "200ms"}
    before = failover.BINARY
    failover.BINARY = WITH_KAFKA
    workspace.closers.append(lambda: setattr(failover, "BINARY", before))
    for name in wanted:
        workspace.closers.append(lambda name=name: os.environ.pop(name))
    os.environ.update(wanted)
    cluster = failover.Cluster(workspace)
    merchant = cluster.run(0, "merchant", "create", "shop", "--timezone", "UTC", "--currency", "EUR")

    def send(first, count):
        brokers.send([(i % PARTITIONS, 1767607200000 + i, '{"name": "page_view", "visitor": "v"}')
                      for i in range(first, first + count)])

    def reader(but=None):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = [i for i, n in enumerate(cluster.nodes) if i != but and
                     metric_at(n["admin"], "tally_kafka_partitions") == PARTITIONS]
            if found:
                return found
            time.sleep(0.1)
        raise Failed("no node reads the topic")

    def counted(by, count):
        until = time.monotonic() + 60
        while cluster.count_of(by, merchant) != count and time.monotonic() < until:
            time.sleep(0.1)
        check_equal(cluster.count_of(by, merchant), count, "page views")

    send(0, 1000)
    leader = reader()
    check_equal(len(leader), 1, "nodes that read the topic")
    counted(0, 1000)
    os.kill(cluster.nodes[leader[0]]["pid"], signal.SIGKILL)
    send(1000, 1000)
    other = reader(but=leader[0])
    check_equal(len(other), 1, "nodes that read the topic")
    counted(other[0], 2000)


def test_a_tally_without_kafka_says_so(workspace):
    node = workspace.node(env={"TALLY_KAFKA_BROKERS": "127.0.0.1:1", "TALLY_KAFKA_TOPICS": "a=b"})
    node.launch()
    check(node.process.wait(30) != 0, "it does not start")
    check("built without Kafka" in node.tail(), node.tail())
