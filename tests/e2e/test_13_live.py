"""/v1/live: the numbers once, by Server-Sent Events and over a WebSocket, with kills; what subscribers cost."""

import json
import os
import resource
import socket
import subprocess
import time

import test_4_clients as clients
from harness import Failed, check, check_equal
from test_12_stream import Raw

SUBSCRIBERS = 1000
SUBSCRIBER_BYTES_MAX = 32 << 10


class EventSource:
    """A raw client of Server-Sent Events."""

    def __init__(self, node, key, last_event_id=None, buffer_bytes=None):
        self.socket = socket.socket()
        if buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", node.port))
        more = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
        self.socket.sendall(f"GET /v1/live?key={key} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
                            f"{more}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline().strip():
            pass

    def receive(self):
        """(id, object) of the next message; None at the end. Comments are passed over."""
        name = data = None
        while line := self.file.readline():
            line = line.rstrip(b"\n")
            if line.startswith(b"id: "):
                name = int(line[4:])
            elif line.startswith(b"data: "):
                data = json.loads(line[6:])
            elif not line and data is not None:
                check_equal(name, data["offset"], "id of a message")
                return name, data
        return None

    def until(self, visitors):
        while (got := self.receive()) is not None:
            if got[1]["visitors_now"] == visitors:
                return got
        raise Failed(f"the stream ended before there were {visitors} visitors")


def view(i, visitor):
    return {"id": f"e{i}", "name": "page_view", "visitor": f"v{visitor}", "at": int(time.time() * 1000),
            "url": f"https://shop.example/p{visitor % 3}", "referrer": "https://search.example/"}


def subscriptions(node):
    text = node.request("GET", "/metrics", port=node.admin_port).body.decode()
    return int(text.partition("\ntally_live_subscriptions ")[2].split()[0])


def until_subscriptions(node, count, seconds):
    end = time.monotonic() + seconds
    while subscriptions(node) != count:
        check(time.monotonic() < end, f"there are {count} subscriptions")
        time.sleep(0.05)


def test_a_stream_survives_kills_by_coming_back(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    source = EventSource(node, read)
    check_equal(source.receive()[1]["visitors_now"], 0, "visitors at first")
    last = 0
    for turn in range(3):
        node.send_all(write, [view(f"{turn}-{i}", i) for i in range(10)] + [view(f"{turn}-0", 0)])
        offset, numbers = source.until(10)
        check(offset > last, f"the offset {offset} grows from {last}")
        last = offset
        check_equal(numbers["pageviews_5m"], 10, "page views")
        check_equal([p["page"] for p in numbers["by_page"]], ["/p0", "/p1", "/p2"], "pages")
        check_equal(numbers["by_source"][0]["source"], "search.example", "source")
        node.kill()
        check_equal(source.receive(), None, "the end of the stream")
        node.start()
        source = EventSource(node, read, last)
        offset, numbers = source.receive()
        check(offset >= last, f"the offset {offset} after a restart is not before {last}")
        check_equal((numbers["visitors_now"], numbers["complete"]), (0, False), "a restart says that it forgot")
    check_equal(node.terminate(), 0, "exit code with an open stream")
    check_equal(source.receive(), None, "the end of the stream")


def test_ws_gets_the_same_numbers(workspace):
    node_binary = clients.javascript()
    clients.installed()
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    reader = subprocess.Popen([node_binary, "live.mjs", f"http://127.0.0.1:{node.port}", read, "5"],
                              cwd=clients.FOLDER, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=dict(os.environ, NODE_NO_WARNINGS="1"))
    workspace.closers.append(lambda: (reader.kill(), reader.wait()))
    check_equal(reader.stdout.readline().strip(), "0 visitors", "first message")
    for i in range(5):
        node.send_all(write, [view(i, i)])
    said, _ = reader.communicate(timeout=30)
    check_equal(said.splitlines()[-1], "5 visitors", f"last message\n{said}")
    check_equal(reader.returncode, 0, "exit code of the client")


def test_a_thousand_idle_subscribers_cost_little(workspace):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # ours, and the node's after us
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, limit), limit))
    flags = ["--live-merchant-subscriptions-max", str(SUBSCRIBERS // 2), "--http-threads", "1"]
    node = workspace.node(flags=flags).start()
    keys = [node.create_merchant(name) for name in ("one", "two")]
    warm = [EventSource(node, keys[0][1]), Raw(node, f"/v1/live?key={keys[1][1]}", keys[1][1])]
    before = node.rss_bytes()
    crowd = []
    for i in range(SUBSCRIBERS - 2):
        read = keys[i % 2][1]
        crowd.append(EventSource(node, read) if i < SUBSCRIBERS // 2 else Raw(node, "/v1/live", read))
    for one in crowd:
        check_equal(one.status, 101 if isinstance(one, Raw) else 200, "status of a subscription")
        check(one.receive() is not None, "a first message")
    each = (node.rss_bytes() - before) / len(crowd)
    print(f"      {each / 1024:.1f} KiB a subscriber")
    check(each < SUBSCRIBER_BYTES_MAX, f"{each} bytes a subscriber")
    check_equal(EventSource(node, keys[0][1]).status, 429, "one more subscription")
    for write, _ in keys:
        node.send_all(write, [view(0, 0)])
    for one in warm + crowd:
        got = one.receive()
        check(got is not None, "a message to each")
    check_equal(subscriptions(node), SUBSCRIBERS, "subscriptions on /metrics")
    for one in warm + crowd:
        one.socket.shutdown(socket.SHUT_RDWR)
    until_subscriptions(node, 0, 20)


def test_a_client_that_reads_nothing_is_let_go(workspace):
    node = workspace.node(flags=["--http-write-timeout", "1s"]).start()
    write, read = node.create_merchant("shop")
    reader = EventSource(node, read)
    check_equal(reader.receive()[1]["visitors_now"], 0, "visitors at first")
    lazy = [EventSource(node, read, buffer_bytes=2048) for _ in range(5)] + [Raw(node, "/v1/live", read, buffer_bytes=2048)]
    until_subscriptions(node, 7, 5)
    before = node.rss_bytes()
    end, turn = time.monotonic() + 45, 0
    while subscriptions(node) != 1:  # until the kernel takes no more for those who do not read
        check(time.monotonic() < end, "who reads nothing is let go")
        node.send_all(write, [{**view(f"{turn}-{i}", i), "name": f"{turn}-{i}".ljust(200, "n"),
                               "url": f"https://shop.example/{turn}-{i}".ljust(300, "x")} for i in range(30)])
        turn += 1
        check(reader.receive() is not None, "who reads goes on getting messages")
    grown = node.rss_bytes() - before
    print(f"      {grown >> 10} KiB more, {turn} messages")
    check(grown < 32 << 20, f"{grown} bytes for clients that read nothing")
    check_equal(len(lazy), 6, "clients that were held all the time")
