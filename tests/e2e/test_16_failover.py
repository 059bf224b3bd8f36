"""Three nodes, etcd and clients: every acknowledged event is counted once, whichever node dies."""

import collections
import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from harness import BINARY, Skip, check, check_equal

PATIENCE = 60


def tally(*words, patience=150):
    done = subprocess.run([str(BINARY), *words], capture_output=True, text=True, timeout=patience)
    check_equal(done.returncode, 0, f"tally {' '.join(words)}: {done.stderr}")
    return done.stdout


class Cluster:
    """What `tally cluster start-local` runs."""

    def __init__(self, workspace, count=3):
        if shutil.which("etcd") is None:
            raise Skip("etcd is not installed")
        self.folder = str(workspace.path / "cluster")
        self.count = count
        workspace.closers.append(
            lambda: tally("cluster", "stop-local", "--dir", self.folder))
        self.start()

    def start(self):
        out = tally("cluster", "start-local", str(self.count), "--dir", self.folder, "-o", "json")
        self.nodes = json.loads(out)["nodes"]

    def run(self, node, *words):
        console = self.nodes[node]["console"]
        return json.loads(tally(*words, "--node", str(console), "-o", "json"))

    def request(self, node, method, path, key, body=None):
        """(status, parsed answer); status 0 where nobody answers."""
        host, port = str(self.nodes[node]["http"]).rsplit(":", 1)
        try:
            connection = http.client.HTTPConnection(host, int(port), timeout=15)
            headers = {"Authorization": "Bearer " + key}
            connection.request(method, path, body and json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return 0, None

    def count_of(self, node, merchant):
        """Pageviews and distinct ids by any node's answer, waited for."""
        until = time.time() + PATIENCE
        while True:
            status, answer = self.request(
                node, "POST", "/api/v2/query", merchant["read_key"],
                {"metrics": ["pageviews"], "date_range": "all"})
            if status == 200:
                return answer["results"][0]["metrics"][0]
            check(time.time() < until, f"node {node} answers {status} {answer}")
            time.sleep(0.05)

    def whole(self, among):
        until = time.time() + PATIENCE
        while True:
            seen = self.run(among, "cluster", "status")
            if seen["whole"] == seen["led"] == 256 and all(n["live"] for n in seen["nodes"]):
                return seen
            check(time.time() < until, f"not whole: {seen}")
            time.sleep(0.1)


class Load(threading.Thread):
    """Sends single events until told to stop, each again until it is acknowledged."""

    def __init__(self, cluster, node, merchants):
        super().__init__(daemon=True)
        self.cluster, self.node, self.merchants = cluster, node, merchants
        self.sent = collections.Counter()
        self.refusals = collections.Counter()
        self.ends = threading.Event()
        self.start()

    def run(self):
        number = 0
        while not self.ends.is_set():
            number += 1
            merchant = self.merchants[number % len(self.merchants)]
            event = {"id": f"{self.name}-{number}", "name": "page_view", "visitor": "v"}
            until = time.time() + PATIENCE
            while time.time() < until:
                status, _ = self.cluster.request(
                    self.node, "POST", "/v1/events", merchant["write_key"], [event])
                if status in (200, 202):
                    self.sent[merchant["merchant"]] += 1
                    break
                self.refusals[status] += 1
                time.sleep(0.02)

    def finish(self):
        self.ends.set()
        self.join()
        return self


def merchants_of(cluster, count=5):
    return [
        cluster.run(n % cluster.count, "merchant", "create", f"shop-{n}", "--timezone",
                    "Europe/London", "--currency", "GBP") for n in range(count)
    ]


def check_counts(cluster, node, merchants, loads):
    for merchant in merchants:
        wanted = sum(load.sent[merchant["merchant"]] for load in loads)
        check_equal(cluster.count_of(node, merchant), wanted, merchant["merchant"])


def test_every_node_is_killed_and_nothing_acknowledged_is_lost_or_doubled(workspace):
    cluster = Cluster(workspace)
    merchants = merchants_of(cluster)
    loads = []
    for victim in range(3):
        others = [n for n in range(3) if n != victim]
        running = [Load(cluster, n, merchants) for n in others]
        time.sleep(0.5)
        os.kill(cluster.nodes[victim]["pid"], signal.SIGKILL)
        time.sleep(2)
        loads += [load.finish() for load in running]
        check_counts(cluster, others[0], merchants, loads)
        cluster.start()
        cluster.whole(others[0])
    check(sum(sum(load.sent.values()) for load in loads) > 100, "something was sent")
    tally("cluster", "stop-local", "--dir", cluster.folder)
    for n in range(1, 4):
        tally("verify", f"{cluster.folder}/node-{n}/data")


def test_all_nodes_are_killed_at_once_and_come_back(workspace):
    cluster = Cluster(workspace)
    merchants = merchants_of(cluster)
    loads = [Load(cluster, n, merchants) for n in range(3)]
    time.sleep(1)
    for node in cluster.nodes:
        os.kill(node["pid"], signal.SIGKILL)
    cluster.start()
    time.sleep(0.5)
    for load in loads:
        load.finish()
    check_counts(cluster, 0, merchants, loads)


def test_a_frozen_leader_is_replaced_and_writes_nothing_when_it_wakes(workspace):
    cluster = Cluster(workspace)
    merchants = merchants_of(cluster)
    loads = [Load(cluster, n, merchants) for n in (1, 2)]
    time.sleep(0.5)
    pid = cluster.nodes[0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    workspace.closers.append(lambda: runs_again(pid))
    time.sleep(6)
    os.kill(pid, signal.SIGCONT)
    time.sleep(1)
    for load in loads:
        load.finish()
    cluster.whole(1)
    for node in range(3):
        check_counts(cluster, node, merchants, loads)


def runs_again(pid):
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def test_a_node_that_is_ended_gives_its_shards_away_without_a_refusal(workspace):
    cluster = Cluster(workspace)
    merchants = merchants_of(cluster)
    loads = [Load(cluster, n, merchants) for n in (1, 2)]
    time.sleep(0.5)
    os.kill(cluster.nodes[0]["pid"], signal.SIGTERM)
    time.sleep(3)
    for load in loads:
        load.finish()
        check_equal(dict(load.refusals), {}, "refusals")
    check_counts(cluster, 1, merchants, loads)
    seen = cluster.run(1, "cluster", "status")
    gone = [n for n in seen["nodes"] if not n["live"]]
    check_equal([n["leads"] for n in gone], [0], "what the ended node leads")
    with open(f"{cluster.folder}/node-1/node.log", encoding="utf-8") as log:
        check("node_stopped answered=true saved=true" in log.read(), "it ended in order")
