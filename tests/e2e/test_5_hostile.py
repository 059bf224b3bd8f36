"""What strangers send: the right status, bounded memory, and the node lives on."""

import gzip
import json
import socket
import threading
import time

from harness import Failed, check, check_equal

MIB = 1 << 20


def raw(node, data, patience=20, half_close=False):
    """Sends bytes as they are; gives the status line's code, or 0 where the node just closed."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=patience) as s:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # answered and closed before it had all
        answer = b""
        try:
            while b"\r\n\r\n" not in answer:
                got = s.recv(65536)
                if not got:
                    break
                answer += got
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise Failed(f"no answer within {patience} s to {data[:80]!r}") from None
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def post(key, body=b"", headers=b"", path=b"/v1/events"):
    return (b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
            + key.encode() + b"\r\n" + headers + b"\r\n" + body)


def still_fine(node, key, number):
    check(node.alive(), f"the node died\n{node.tail()}")
    receipt = node.send_all(key, {"id": f"fine-{number}", "name": "page_view"})
    check_equal(receipt["accepted"], 1, "a good event afterwards")


def test_malformed_requests_get_400_or_a_closed_connection(workspace):
    node = workspace.node().start()
    write, _ = node.create_merchant("shop")
    chunked = b"Transfer-Encoding: chunked\r\n"
    cases = [
        (b"\x00\x01\x02\x03" * 100 + b"\r\n\r\n", (400, 0)),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500 + b"\r\n\r\n", (400, 0)),
        (b"GET\r\n\r\n", (400, 0)),
        (b"GET / HTTP/9.9\r\n\r\n", (400, 505, 0)),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", (400, 0)),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
         (400, 0)),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
         (400, 413, 0)),
        (post(write, b"zz\r\n{}\r\n0\r\n\r\n", chunked), (400, 0)),
        (post(write, b"ffffffffffffffffff\r\nx", chunked), (400, 413, 0)),
        (post(write, b"5\r\n{}\r\n0\r\n\r\n", chunked), (400, 0)),
        (post(write, b"{]", b"Content-Length: 2\r\n"), (400,)),
        (post(write, b"\xff\xfe\xfd", b"Content-Length: 3\r\n"), (400, 200)),
        (post(write, b"not gzip", b"Content-Length: 8\r\nContent-Encoding: gzip\r\n"), (400,)),
        (post(write, b"{}", b"Content-Length: 2\r\nContent-Encoding: br\r\n"), (415,)),
        (post(write, b"[" * 100_000, b"Content-Length: 100000\r\n"), (400, 422)),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (404,)),
        (b"DELETE /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (404, 405)),
    ]
    for i, (data, allowed) in enumerate(cases):
        status = raw(node, data, half_close=True)
        check(status in allowed, f"case {i} {data[:90]!r}: status {status}, allowed {allowed}")
    still_fine(node, write, 1)


def test_oversized_requests_are_refused_in_bounded_memory(workspace):
    node = workspace.node().start()
    write, _ = node.create_merchant("shop")
    still_fine(node, write, 0)
    before = node.rss_bytes()
    check(raw(node, b"GET / HTTP/1.1\r\nX-Big: " + b"a" * MIB + b"\r\n\r\n") in (400, 413, 431, 0),
          "a header of 1 MiB")
    check_equal(raw(node, post(write, b"", b"Content-Length: 50000000\r\n")), 413, "a body said too big")
    endless = post(write, b"", b"Transfer-Encoding: chunked\r\n")
    endless += (b"100000\r\n" + b" " * MIB + b"\r\n") * 30
    check(raw(node, endless) in (413, 0), "an endless chunked body")
    bomb = gzip.compress(b" " * (300 * MIB), 9)
    for _ in range(5):
        status = node.send(write, bomb, headers={"Content-Encoding": "gzip"}).status
        check_equal(status, 413, "a gzip bomb")
    too_many = "\n".join(json.dumps({"name": "page_view"}) for _ in range(10_001))
    check_equal(node.send(write, too_many).status, 413, "10,001 events")
    big = {"id": "big", "name": "x", "props": {"text": "a" * (300 << 10)}}
    answer = node.send(write, [big, {"id": "small", "name": "x"}])
    check_equal(answer.status, 200, "one event too big among others")
    check_equal([r["index"] for r in answer.json()["rejected"]], [0], "the big event is rejected")
    grown = node.rss_bytes() - before
    check(grown < 128 * MIB, f"resident memory grew by {grown >> 20} MiB")
    still_fine(node, write, 1)


def test_slow_clients_are_cut_off_and_disturb_nobody(workspace):
    node = workspace.node(env={"TALLY_HTTP_HEADER_TIMEOUT": "2s", "TALLY_HTTP_BODY_TIMEOUT": "2s"}).start()
    write, _ = node.create_merchant("shop")
    slow = []
    try:
        for i in range(300):
            s = socket.create_connection(("127.0.0.1", node.port), timeout=20)
            s.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-A: " if i % 2 else
                      post(write, b"[", b"Content-Length: 1000\r\n"))
            slow.append(s)
        stop = threading.Event()

        def drip():
            while not stop.is_set():
                for s in slow:
                    try:
                        s.send(b" ")
                    except OSError:
                        pass
                time.sleep(0.3)

        dripper = threading.Thread(target=drip, daemon=True)
        dripper.start()
        for i in range(20):
            still_fine(node, write, i)
        time.sleep(4)
        stop.set()
        dripper.join()
        open_ones = 0
        for s in slow:
            s.settimeout(0.5)
            try:
                while s.recv(4096):
                    pass
            except TimeoutError:
                open_ones += 1
            except OSError:
                pass
        check_equal(open_ones, 0, "slow connections still open")
    finally:
        for s in slow:
            s.close()
    still_fine(node, write, 99)


def test_many_requests_on_one_connection_are_answered_in_order(workspace):
    node = workspace.node().start()
    write, _ = node.create_merchant("shop")
    requests = b""
    for i in range(50):
        body = json.dumps({"id": f"p-{i}", "name": "page_view"}).encode()
        requests += (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + write.encode()
                     + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
    with socket.create_connection(("127.0.0.1", node.port), timeout=20) as s:
        s.sendall(requests)
        answers = b""
        while answers.count(b'"accepted"') < 50:
            got = s.recv(65536)
            check(got, f"closed after {answers.count(b'accepted')} answers")
            answers += got
    check_equal(answers.count(b"HTTP/1.1 200"), 50, "answers with 200")


def test_a_path_names_the_methods_that_it_takes(workspace):
    node = workspace.node().start()
    for path, allowed in (("/v1/events", "POST"), ("/v1/batch", "POST"), ("/api/v2/query", "POST"),
                          ("/v1/merchant", "GET"), ("/livez", "GET")):
        answer = node.request("PUT", path, "{}")
        check_equal(answer.status, 405, path)
        check(allowed in answer.headers["Allow"].split(", "), f"{path} allows {answer.headers['Allow']}")
    check_equal(node.request("PUT", "/nowhere", "{}").status, 404, "a path that is none")


def test_a_write_key_may_stand_in_the_body_and_is_not_stored(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    body = json.dumps({"writeKey": write, "id": "1", "name": "page_view"})
    answer = node.request("POST", "/v1/events", body)
    check_equal(answer.status, 200, f"a key in the body: {answer.body!r}")
    check_equal(node.totals(read, "shop", ["events"]), {"events": 1}, "counted")
    answer = node.request("POST", "/v1/events", body.replace(write, write[:-4] + "AAAA"))
    check_equal(answer.status, 401, "a wrong key in the body")
    node.terminate()
    secret = write.split(".")[-1].encode()
    for path in node.data_dir.rglob("*"):
        check(not path.is_file() or secret not in path.read_bytes(), f"{path} holds a key")
