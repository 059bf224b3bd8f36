"""/v1/stream with an unmodified WebSocket client, while the node is killed, ended and restarted."""

import json
import os
import random
import socket
import subprocess
import time

import test_4_clients as clients
from harness import check, check_equal

EVENTS = 1500


def test_ws_counts_exactly_once_over_kills(workspace):
    node_binary = clients.javascript()
    clients.installed()
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    log = workspace.path / "client.log"
    with open(log, "wb") as out:
        sender = subprocess.Popen([node_binary, "stream.mjs", f"http://127.0.0.1:{node.port}", write,
                                   str(EVENTS)], cwd=clients.FOLDER, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out, env=dict(os.environ, NODE_NO_WARNINGS="1"))
    workspace.closers.append(lambda: (sender.kill(), sender.wait()))
    chance = random.Random(workspace.options.seed)
    for i in range(4):
        time.sleep(0.4 + chance.random())
        if i == 2:
            check_equal(node.terminate(), 0, "exit code after SIGTERM")
        else:
            node.kill()
        node.start()
    check_equal(sender.wait(120), 0, f"exit code of the client\n{log.read_text()[-2000:]}")
    said = json.loads(log.read_text().splitlines()[-1])
    check(said["connections"] >= 3 and "1000" in said["ends"], f"the client ended its last connection: {said}")
    check_equal(node.totals(read, "shop", ["events"])["events"], EVENTS, f"events counted, {said}")
    check_equal(node.totals(read, "shop", ["visitors"])["visitors"], 50, "visitors")
    ledger = node.ledger(read)
    check_equal(sum(ledger["rejected"].values()), 0, "rejected events")


def opening(path, key):
    return (f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {key}\r\n\r\n").encode()


def frame(payload, opcode=1, masked=True, last=True):
    head = bytes([opcode | (0x80 if last else 0)])
    mask = 0x80 if masked else 0
    size = len(payload)
    head += bytes([mask | size]) if size < 126 else (
        bytes([mask | 126]) + size.to_bytes(2, "big") if size < 65536
        else bytes([mask | 127]) + size.to_bytes(8, "big"))
    return head + (b"\0\0\0\0" if masked else b"") + payload


class Raw:
    """A WebSocket that sends what it is told."""

    def __init__(self, node, path, key, buffer_bytes=None):
        self.socket = socket.socket()
        if buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", node.port))
        self.socket.sendall(opening(path, key))
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        self.head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1])

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise EOFError
        self.bytes += got

    def need(self, size):
        while len(self.bytes) < size:
            self.more()

    def receive(self):
        """(opcode, payload) of the next frame; None at the end."""
        try:
            self.need(2)
            size, at = self.bytes[1] & 0x7F, 2
            if size >= 126:
                width = 2 if size == 126 else 8
                self.need(2 + width)
                size, at = int.from_bytes(self.bytes[2:2 + width], "big"), 2 + width
            self.need(at + size)
        except (EOFError, ConnectionResetError):
            return None
        opcode, payload = self.bytes[0] & 15, self.bytes[at:at + size]
        self.bytes = self.bytes[at + size:]
        return opcode, payload

    def close_code(self):
        while (got := self.receive()) is not None:
            if got[0] == 8:
                return int.from_bytes(got[1][:2], "big")
        return None


def test_sigterm_answers_what_was_taken_and_ends_with_1001(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    raw = Raw(node, "/v1/stream", write)
    check_equal(raw.status, 101, "status of the opening")
    for seq in range(10):
        raw.socket.sendall(frame(json.dumps({"seq": seq, "events": {"name": "a", "id": str(seq)}}).encode()))
    first = json.loads(raw.receive()[1])
    check_equal((first["status"], first["accepted"]), (200, 1), "first receipt")
    node.process.terminate()
    receipts, end = 1, None
    while (got := raw.receive()) is not None:
        if got[0] == 8:
            end = int.from_bytes(got[1][:2], "big")
            raw.socket.sendall(frame(got[1], opcode=8))
            break
        receipts += json.loads(got[1])["status"] == 200
    check_equal(end, 1001, "close code")
    check_equal(node.process.wait(30), 0, "exit code")
    node.start()
    check_equal(node.totals(read, "shop", ["events"])["events"], receipts, "events counted")


def test_hostile_frames_end_their_own_connection_only(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    check_equal(Raw(node, "/v1/stream", "tw_shop.wrong").status, 401, "unknown key")
    check_equal(Raw(node, "/v1/stream", read).status, 403, "read key")
    good = Raw(node, "/v1/stream", write)
    event = json.dumps({"name": "a", "id": "x", "at": 1700000000000}).encode()
    cases = [(frame(event, masked=False), 1002), (frame(b"", opcode=5), 1002),
             (frame(b"\xff\xff"), 1007), (b"\x81\xff\x7f" + b"\xff" * 20, 1009),
             (frame(b"[" * (6 << 20)), 1009)]
    for sent, code in cases:
        raw = Raw(node, "/v1/stream", write)
        try:
            raw.socket.sendall(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent
        check_equal(raw.close_code(), code, f"close code after {sent[:12]!r}")
    chance = random.Random(workspace.options.seed)
    for _ in range(60):
        raw = Raw(node, "/v1/stream", write)
        raw.socket.sendall(chance.randbytes(chance.randrange(1, 400)))
        raw.socket.close()
    half = len(event) // 2
    good.socket.sendall(frame(event[:half], last=False) + frame(b"are you there", opcode=9)
                        + frame(event[half:], opcode=0))
    check_equal(good.receive(), (10, b"are you there"), "pong")
    check_equal(json.loads(good.receive()[1])["accepted"], 1, "the fragmented message")
    check_equal(node.totals(read, "shop", ["events"])["events"], 1, "events counted")


def test_a_client_that_reads_nothing_is_slowed_down_and_costs_little(workspace):
    node = workspace.node().start()
    write, _ = node.create_merchant("shop")
    raw, other = Raw(node, "/v1/stream", write), Raw(node, "/v1/stream", write)
    before = node.rss_bytes()
    message = json.dumps({"seq": 1, "events": []}).encode()
    batch = frame(message) * 2000
    raw.socket.settimeout(2)
    sent = 0
    try:
        while sent < 128 << 20:
            raw.socket.sendall(batch)
            sent += len(batch)
    except TimeoutError:
        pass
    check(sent < 128 << 20, f"{sent} bytes of messages were taken, and no receipt was read")
    check(node.rss_bytes() - before < 32 << 20, f"the node grew by {node.rss_bytes() - before} bytes")
    event = json.dumps({"name": "a", "id": "x"}).encode()
    other.socket.sendall(frame(event))
    check_equal(json.loads(other.receive()[1])["accepted"], 1, "another stream meanwhile")
    for number in range(1, sent // len(frame(message)) // 2):
        got = json.loads(raw.receive()[1])
        check_equal((got["seq"], got["status"]), (1, 200), f"receipt {number}")
