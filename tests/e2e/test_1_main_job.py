"""The thin main job: socket, fsync, answer, kill -9, the same answer."""

import json

from harness import check, check_equal

DAYS = ["2010-12-01", "2010-12-03"]
METRICS = ["visitors", "pageviews", "events", "orders", "units", "gross_sales", "refunds", "net_sales"]


def view(i, at, visitor):
    return {"id": f"v-{i}", "at": at, "name": "page_view", "visitor": visitor,
            "url": f"https://shop.example/p/{i}"}


def sample_events():
    return [
        view(1, "2010-12-01T08:20:00Z", "17850"),
        view(2, "2010-12-01T08:21:00Z", "17850"),
        view(3, "2010-12-02T23:59:59.999Z", "13047"),
        {"id": "o-1", "at": "2010-12-01T08:26:00Z", "name": "purchase", "visitor": "17850",
         "order": {"id": "1", "currency": "GBP", "items": [
             {"id": "85123A", "quantity": 6, "price": "2.55"},
             {"id": "71053", "quantity": 2, "price": 0.125}]}},
        {"id": "r-1", "at": "2010-12-02T10:00:00Z", "name": "refund", "visitor": "17850",
         "order": {"id": "1", "currency": "GBP", "items": [
             {"id": "85123A", "quantity": 1, "price": "2.55"}]}},
    ]


WANT = [
    {"dimensions": ["2010-12-01"], "metrics": [1, 2, 3, 1, 8, "15.55", "0.00", "15.55"]},
    {"dimensions": ["2010-12-02"], "metrics": [2, 1, 2, 0, 0, "0.00", "2.55", "-2.55"]},
    {"dimensions": ["2010-12-03"], "metrics": [0, 0, 0, 0, 0, "0.00", "0.00", "0.00"]},
]


def by_day(node, read_key):
    rows = node.query(read_key, "shop", METRICS, DAYS, ["time:day"])["results"]
    return [{"dimensions": r["dimensions"], "metrics": [
        str(m) if i >= 5 else int(m) for i, m in enumerate(r["metrics"])]} for r in rows]


def test_events_are_counted_survive_kill_9_and_count_once(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    receipt = node.send_all(write, sample_events())
    check_equal((receipt["accepted"], receipt["duplicate"], receipt["rejected"]), (5, 0, []), "receipt")
    check(receipt.get("ack"), "a receipt has an ack token")
    check_equal(by_day(node, read), WANT, "answer")
    node.kill()
    node.start()
    check_equal(by_day(node, read), WANT, "answer after kill -9")
    receipt = node.send_all(write, sample_events())
    check_equal((receipt["accepted"], receipt["duplicate"]), (0, 5), "receipt of the repeat")
    check_equal(by_day(node, read), WANT, "answer after the repeat")
    ledger = node.ledger(read)
    check_equal((ledger["accepted"], ledger["duplicate"]), (5, 5), "ledger")


def test_every_form_of_a_body_gives_the_same_numbers(workspace):
    import gzip
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    events = sample_events()
    ndjson = "\n".join(json.dumps(e) for e in events[1:3])
    check_equal(node.send_all(write, json.dumps(events[0]))["accepted"], 1, "one object")
    check_equal(node.send_all(write, ndjson)["accepted"], 2, "NDJSON")
    zipped = gzip.compress(json.dumps(events[3:]).encode())
    answer = node.send(write, zipped, headers={"Content-Encoding": "gzip"})
    check_equal((answer.status, answer.json().get("accepted")), (200, 2), "gzipped array")
    check_equal(by_day(node, read), WANT, "answer")


def test_what_cannot_be_an_event_is_named_and_the_rest_is_stored(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    events = sample_events()
    events[3]["order"]["items"][0]["price"] = "2,55"
    del events[0]["name"]
    receipt = node.send_all(write, events)
    check_equal(receipt["accepted"], 3, "accepted")
    check_equal([r["index"] for r in receipt["rejected"]], [0, 3], "rejected indexes")
    check_equal(receipt["rejected"][1]["code"], "bad_amount", "code of a bad price")
    check_equal(sum(node.ledger(read)["rejected"].values()), 2, "rejected in the ledger")


def test_keys_open_only_what_they_are_for(workspace):
    node = workspace.node().start()
    write, read = node.create_merchant("shop")
    other_write, other_read = node.create_merchant("other")
    event = {"id": "1", "name": "page_view"}
    check_equal(node.send("nonsense", event).status, 401, "no such key")
    check_equal(node.send(write[:-3] + "AAA", event).status, 401, "a key that is nearly right")
    check_equal(node.send(read, event).status, 403, "read key for writing")
    question = json.dumps({"site_id": "shop", "metrics": ["events"], "date_range": "all"})
    for key, status in ((write, 403), (other_read, 403), (read, 200)):
        answer = node.request("POST", "/api/v2/query", question, {"Authorization": f"Bearer {key}"})
        check_equal(answer.status, status, f"question with key {key[:3]}")
