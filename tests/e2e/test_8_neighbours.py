"""What stands beside a node in real life: HAProxy, Prometheus, systemd. With the shipped files."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import time

from harness import BINARY, ROOT, Skip, check, check_equal, free_port, verify


def tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Skip(f"{name} is not installed")
    return found


def run(*words, **more):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, **more)
    check_equal(done.returncode, 0, f"exit code of {' '.join(map(str, words))}\n{done.stdout[-3000:]}")
    return done.stdout


def replaced(text, pattern, by):
    changed, count = re.subn(pattern, by, text)
    check(count > 0, f"the shipped file has no {pattern!r} any more")
    return changed


class Proxy:
    """HAProxy with the shipped file; only certificate and ports are this test's."""

    def __init__(self, workspace, node):
        binary, openssl = tool("haproxy"), tool("openssl")
        key, certificate, both = (workspace.path / n for n in ("key.pem", "cert.pem", "tally.pem"))
        run(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate)
        both.write_text(certificate.read_text() + key.read_text())
        shipped = (ROOT / "config/haproxy/haproxy.cfg").read_text()
        shipped = replaced(shipped, r"/etc/haproxy/certs/tally\.pem", str(both))
        file = workspace.path / "haproxy.cfg"
        file.write_text(shipped)
        run(binary, "-c", "-f", file)
        self.port = free_port()
        text = replaced(shipped, r"bind \*:443", f"bind 127.0.0.1:{self.port}")
        text = replaced(text, r"    bind :::443.*\n", "")
        text = replaced(text, r"127\.0\.0\.1:8080 check port 9091",
                        f"127.0.0.1:{node.port} check port {node.admin_port}")
        file.write_text(text)
        self.log = workspace.path / "haproxy.log"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen([binary, "-db", "-f", str(file)], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)
        workspace.closers.append(lambda: (self.process.kill(), self.process.wait()))

    def connect(self, source=None):
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context,
                                           source_address=(source, 0) if source else None)

    def request(self, method, path, body=None, headers=None, source=None):
        connection = self.connect(source)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def wait_until(self, status):
        end = time.monotonic() + 30
        while True:
            try:
                if self.request("GET", "/livez")[0] == status:
                    return
            except OSError:
                pass
            check(time.monotonic() < end, f"no {status}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)


def proxied_node(workspace, *flags):
    node = workspace.node(flags=["--http-trusted-proxies", "127.0.0.1/32", *flags]).start()
    proxy = Proxy(workspace, node)
    proxy.wait_until(200)
    return node, proxy


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def test_haproxy_passes_requests_problems_and_http_2(workspace):
    node, proxy = proxied_node(workspace, "--limits-read-queries-per-s", "1")
    write, read = node.create_merchant("shop")
    body = json.dumps([{"id": str(i), "name": "page_view"} for i in range(3)])
    status, _, text = proxy.request("POST", "/v1/events", body, bearer(write))
    check_equal((status, json.loads(text)["accepted"]), (200, 3), "events through the proxy")
    # Whatever a client claims, the node believes the proxy, and the proxy what it sees.
    proxy.request("POST", "/v1/events", json.dumps({"id": "from", "name": "page_view"}),
                  {**bearer(write), "X-Forwarded-For": "203.0.113.9"}, source="127.0.9.1")
    rounds = json.loads(node.cli("log", "tail", "1", "-o", "json"))["rounds"]
    dumped = json.loads(node.cli("log", "dump", str(rounds[-1]["round"]), "-o", "json"))["rounds"][0]
    events = [e for chunk in dumped["chunks"] for e in chunk["events"]]
    check_equal([(e["id"], e["network"]) for e in events], [("from", "127.0.9.0/24")], "the client's network")
    said = run(tool("curl"), "-sk", "--http2", "-w", "\n%{http_version} %{http_code}", "-H",
               f"Authorization: Bearer {write}", "-d", '{"id":"h2","name":"page_view"}',
               f"https://127.0.0.1:{proxy.port}/v1/events")
    check_equal(said.splitlines()[-1], "2 200", f"HTTP/2: {said}")
    answers = [proxy.request("GET", "/v1/merchant", headers=bearer(read)) for _ in range(4)]
    status, headers, text = answers[-1]
    problem = json.loads(text)
    check_equal((status, problem["status"], problem["code"], headers["Content-Type"]),
                (429, 429, "over_rate", "application/problem+json"), "the problem's body")
    check(int(headers["Retry-After"]) >= 1, "429 says when to come back")
    check_equal(json.loads(answers[0][2])["ledger"]["accepted"], 5, "counted")


def test_a_drain_behind_haproxy_fails_no_request(workspace):
    node, proxy = proxied_node(workspace, "--node-drain-delay", "4s")
    write, read = node.create_merchant("shop")
    stop, acknowledged, broken, turned_away = threading.Event(), [], [], []

    def sender(number):
        n, connection = 0, proxy.connect()
        while not stop.is_set():
            n += 1
            event = json.dumps({"id": f"{number}-{n}", "name": "page_view"})
            try:
                connection.request("POST", "/v1/events", event, bearer(write))
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as e:
                broken.append(repr(e))
                connection.close()
                connection = proxy.connect()
                continue
            if response.status == 200:
                acknowledged.append(event)
            elif response.status == 503 and b"No server is available" in text:
                turned_away.append(time.monotonic())  # the proxy knows and does not even try
                time.sleep(0.05)
            else:
                broken.append((response.status, text[:200]))

    threads = [threading.Thread(target=sender, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    time.sleep(1)
    node.cli("console", "-c", "drain")
    check_equal(node.request("GET", "/readyz", port=node.admin_port).status, 503, "readiness")
    proxy.wait_until(503)
    check(node.alive(), "the proxy turned away before the node was gone")
    check_equal(node.process.wait(60), 0, "exit code")
    verify(node.data_dir)
    node.start()
    proxy.wait_until(200)
    time.sleep(0.5)
    stop.set()
    for t in threads:
        t.join(30)
    check_equal(broken, [], "failed requests")
    check(turned_away and acknowledged, "the proxy noticed")
    counted = node.totals(read, "shop", ["events"])["events"]
    check_equal(counted, len(acknowledged), "events counted")


def test_prometheus_reads_the_metrics_and_the_shipped_files(workspace):
    promtool = tool("promtool")
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    node.send_all(write, [{"id": str(i), "name": "page_view"} for i in range(100)])
    node.send(write, {"name": 7})
    node.totals(read, "shop", ["events"])
    metrics = node.request("GET", "/metrics", port=node.admin_port).body.decode()
    run(promtool, "check", "metrics", input=metrics)
    run(promtool, "check", "config", ROOT / "config/prometheus/prometheus.yml")
    rules = ROOT / "config/prometheus/rules.yml"
    run(promtool, "check", "rules", rules)
    # A rule over a metric that no node has would never fire.
    used = set(re.findall(r"\btally_\w+", rules.read_text()))
    have = set(re.findall(r"^(tally_\w+)", metrics, re.M))
    check_equal(sorted(used - have), [], "metrics that only the rules know")


def test_systemd_takes_the_unit(workspace):
    analyze = tool("systemd-analyze")
    unit = workspace.path / "tally.service"
    text = (ROOT / "config/systemd/tally.service").read_text()
    unit.write_text(replaced(text, r"/usr/local/bin/tally", str(BINARY)))
    said = run(analyze, "verify", unit)
    check_equal([line for line in said.splitlines() if "tally.service" in line], [], "remarks")
