"""Starts real nodes in temporary folders and talks to them as clients do."""

import base64
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TALLY_BINARY", ROOT / "build/release/tally"))
DATA = pathlib.Path(os.environ.get("TALLY_SHARED", ROOT.parent / "shared")) / "data"


class Skip(Exception):
    """The test cannot run here; the text says why."""


class Failed(AssertionError):
    pass


def check(holds, message):
    if not holds:
        raise Failed(message)


def check_equal(got, want, what):
    if got != want:
        raise Failed(f"{what}: got {got!r}, want {want!r}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Workspace:
    """A temporary folder and the processes started in it; ends both, by process id."""

    def __init__(self, name):
        self.folder = tempfile.TemporaryDirectory(prefix=f"tally-e2e-{name}-", ignore_cleanup_errors=True)
        self.path = pathlib.Path(self.folder.name)
        self.nodes = []
        self.closers = []

    def node(self, name="data", **options):
        node = Node(self, name, **options)
        self.nodes.append(node)
        return node

    def close(self):
        for node in self.nodes:
            node.kill()
        for closer in reversed(self.closers):
            closer()
        self.folder.cleanup()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed(f"answer {self.status} is no JSON: {self.body[:300]!r}") from None


class Node:
    """One `tally node`. Its ports stay the same over restarts."""

    def __init__(self, workspace, name, data_dir=None, env=None, flags=(), binary=BINARY):
        self.workspace = workspace
        self.binary = binary
        self.data_dir = pathlib.Path(data_dir) if data_dir else workspace.path / name
        self.log = workspace.path / f"{name}.log"
        self.port, self.admin_port, self.console_port = free_port(), free_port(), free_port()
        self.flags = list(flags)
        self.env = dict(os.environ, XDG_STATE_HOME=str(workspace.path / "xdg"), **(env or {}))
        self.process = None
        self.served = False  # its ports are known to others

    def launch(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "node", "--data-dir", str(self.data_dir),
                 "--http", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}",
                 "--console", f"127.0.0.1:{self.console_port}", *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        return self

    def start(self, patience=30):
        self.launch()
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if self.process.poll() is not None:
                if not self.served and "Address already in use" in self.tail():
                    # Somebody took a port that was free a moment ago.
                    self.port, self.admin_port, self.console_port = free_port(), free_port(), free_port()
                    self.log.unlink()
                    self.launch()
                    continue
                raise Failed(f"node ended with {self.process.returncode}\n{self.tail()}")
            if self.ready():
                self.served = True
                return self
            time.sleep(0.01)
        raise Failed(f"node not ready after {patience} s\n{self.tail()}")

    def ready(self):
        try:
            return self.request("GET", "/readyz", port=self.admin_port, timeout=2).status == 200
        except OSError:
            return False

    def tail(self, lines=25):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, and waits until the process is gone."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def terminate(self, patience=60):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"node still runs {patience} s after SIGTERM\n{self.tail()}") from None

    def rss_bytes(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    # --- commands

    def cli(self, *words, expect=0, stdin=None, timeout=300):
        """Runs a client command against this node; gives its stdout."""
        done = subprocess.run(
            [str(BINARY), *words], env=dict(self.env, TALLY_NODE=f"127.0.0.1:{self.console_port}"),
            input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
        if expect is not None and done.returncode != expect:
            raise Failed(f"tally {' '.join(words)}: exit code {done.returncode}, want {expect}\n"
                         f"{done.stdout}{done.stderr}")
        self.last_stderr = done.stderr
        return done.stdout

    def create_merchant(self, name, timezone="UTC", currency="USD"):
        made = json.loads(self.cli("merchant", "create", name, "--timezone", timezone,
                                   "--currency", currency, "-o", "json"))
        check_equal(made["merchant"], name, "merchant created")
        return made["write_key"], made["read_key"]

    # --- HTTP

    def request(self, method, path, body=None, headers=None, port=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except http.client.HTTPException as e:
            raise ConnectionError(f"broken answer: {e!r}") from e
        finally:
            connection.close()

    def send(self, key, events, path="/v1/events", headers=None, timeout=30):
        body = events if isinstance(events, (bytes, str)) else json.dumps(events)
        return self.request("POST", path, body,
                            {"Authorization": f"Bearer {key}", **(headers or {})}, timeout=timeout)

    def send_all(self, key, events, path="/v1/events"):
        """Sends and insists on 200; gives the receipt."""
        answer = self.send(key, events, path, timeout=120)
        check_equal(answer.status, 200, f"status of {path}: {answer.body[:500]!r}")
        return answer.json()

    def query(self, key, merchant, metrics, date_range="all", dimensions=(), **more):
        question = {"site_id": merchant, "metrics": list(metrics), "date_range": date_range,
                    "dimensions": list(dimensions), **more}
        # A merchant that must catch up with a long journal may take longer than a question waits,
        # and says so; its reader asks again.
        end = time.monotonic() + 60
        while True:
            answer = self.request("POST", "/api/v2/query", json.dumps(question),
                                  {"Authorization": f"Bearer {key}"}, timeout=60)
            if answer.status != 503 or time.monotonic() > end:
                break
        check_equal(answer.status, 200, f"status of the question: {answer.body[:500]!r}")
        return answer.json()

    def totals(self, key, merchant, metrics, date_range="all"):
        """One value per metric over the whole range."""
        rows = self.query(key, merchant, metrics, date_range)["results"]
        check_equal(len(rows), 1, "rows without a dimension")
        return dict(zip(metrics, rows[0]["metrics"]))

    def ledger(self, key):
        answer = self.request("GET", "/v1/merchant", headers={"Authorization": f"Bearer {key}"})
        check_equal(answer.status, 200, f"status of /v1/merchant: {answer.body[:300]!r}")
        return answer.json()["ledger"]


def basic(key):
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def verify(data_dir, env=None):
    """`tally verify` on a data directory without a node; insists on a clean store."""
    done = subprocess.run([str(BINARY), "verify", str(data_dir)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                          env=env)
    check_equal(done.returncode, 0, f"exit code of tally verify\n{done.stdout[-3000:]}")
