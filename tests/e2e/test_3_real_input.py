"""Half a year of a real shop and a real access log against an independent computation."""

import collections
import datetime
import json
from decimal import Decimal

import oracle
from harness import ROOT, check, check_equal

SHOP_RANGE = ["2010-12-01", "2011-05-31"]
LOG_RANGE = ["2015-05-17", "2015-05-20"]
ZERO = {"orders": 0, "units": 0, "gross_sales": 0, "refunds": 0, "net_sales": 0, "customers": 0,
        "events": 0, "pageviews": 0, "visitors": 0}


def segment_event(invoice):
    user = {"userId": invoice.customer} if invoice.customer else {}
    products = [{"product_id": code, "name": name, "quantity": str(quantity), "price": str(price)}
                for code, name, quantity, price in invoice.lines]
    return {"type": "track", "event": "Order Refunded" if invoice.refund else "Order Completed",
            "messageId": f"invoice-{invoice.number}", "timestamp": oracle.utc_text(invoice.at), **user,
            "properties": {"order_id": invoice.number.lstrip("C"), "currency": "GBP",
                           "products": products}}


def batches(events, bytes_max=2_000_000, events_max=1_000):
    batch, size = [], 0
    for event in events:
        bytes_of = len(json.dumps(event))
        if batch and (size + bytes_of > bytes_max or len(batch) >= events_max):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += bytes_of
    if batch:
        yield batch


def each_day(first, last):
    day, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    while day <= end:
        yield day.isoformat()
        day += datetime.timedelta(days=1)


def compare_shop(node, read, merchant):
    invoices, _ = oracle.read_shop()
    want = oracle.shop_by_day(invoices)
    rows = node.query(read, merchant, oracle.SHOP_METRICS, SHOP_RANGE, ["time:day"])["results"]
    days = list(each_day(*SHOP_RANGE))
    check_equal([r["dimensions"] for r in rows], [[d] for d in days], "days of the answer")
    wrong = []
    for row in rows:
        day = row["dimensions"][0]
        for metric, value in zip(oracle.SHOP_METRICS, row["metrics"]):
            expected = want.get(day, ZERO)[metric]
            if Decimal(str(value)) != Decimal(expected):
                wrong.append(f"{day} {metric}: got {value}, want {expected}")
    check(not wrong, f"{len(wrong)} daily numbers differ:\n" + "\n".join(wrong[:20]))


def compare_customers(node, read, merchant):
    """What single orders are worth, and what each month's customers have brought until the end."""
    invoices, _ = oracle.read_shop()
    first, last = SHOP_RANGE
    values, buyers, brought = collections.defaultdict(list), collections.defaultdict(set), collections.Counter()
    for invoice in invoices:
        if invoice.at.date().isoformat() > last:
            continue
        amount = sum(quantity * price for _, _, quantity, price in invoice.lines)
        brought[invoice.customer] += -amount if invoice.refund else amount
        if not invoice.refund:
            values[invoice.at.strftime("%Y-%m-01")].append(amount)
            buyers[invoice.at.strftime("%Y-%m-01")].add(invoice.customer)
    metrics = ["revenue_to_date", "order_value_p50", "order_value_p90"]
    rows = node.query(read, merchant, metrics, SHOP_RANGE, ["time:month"])["results"]
    check_equal([r["dimensions"][0] for r in rows], sorted(values), "months")
    for row in rows:
        month, orders = row["dimensions"][0], sorted(values[row["dimensions"][0]])
        to_date, *percentiles = (Decimal(v) for v in row["metrics"])
        check_equal(to_date, sum(brought[c] for c in buyers[month] if c), f"{month} revenue to date")
        for percent, got in zip((50, 90), percentiles):
            want = orders[-(-len(orders) * percent // 100) - 1]
            allowed = want / 256 if len(orders) > 512 else 0
            check(abs(got - want) <= allowed, f"{month} order_value_p{percent}: got {got}, want {want}")


def test_the_shop_through_segment_equals_the_oracle(workspace):
    invoices, refused = oracle.read_shop()
    check_equal(refused["bad_quantity"], 651, "lines with a negative quantity and no C")
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    for batch in batches(segment_event(i) for i in invoices):
        receipt = node.send_all(write, {"batch": batch, "writeKey": write}, "/v1/batch")
        check_equal((receipt["accepted"], receipt["rejected"]), (len(batch), []), "receipt")
    compare_shop(node, read, "shop")
    compare_customers(node, read, "shop")
    # Sent again, half of it after a kill: nothing moves.
    again = list(batches(segment_event(i) for i in invoices))
    node.kill()
    node.start()
    for batch in again[:3]:
        receipt = node.send_all(write, {"batch": batch, "writeKey": write}, "/v1/batch")
        check_equal(receipt["duplicate"], len(batch), "duplicates of the repeat")
    compare_shop(node, read, "shop")


def unpacked(workspace, pattern, name):
    path = workspace.path / name
    with oracle.open_data(pattern) as file, open(path, "w", encoding="utf-8", newline="",
                                                 errors="surrogateescape") as out:
        out.write(file.read())
    return path


def test_the_shop_through_import_equals_the_oracle(workspace):
    path = unpacked(workspace, "online-retail-*.csv.xz", "retail.csv")
    map_file = ROOT / "config/maps/online-retail.toml"
    check(map_file.exists(), f"{map_file} is missing")
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    refused_file = workspace.path / "refused.ndjson"
    command = ("import", "--merchant", "shop", "--format", "csv", "--map", str(map_file),
               "--rejects", str(refused_file), "-o", "json", str(path))
    said = json.loads(node.cli(*command, timeout=600))
    compare_shop(node, read, "shop")
    check_equal({r["code"]: r["count"] for r in said["refused"]}, {"bad_quantity": 651}, "refused lines")
    named = refused_file.read_text().splitlines()
    check_equal(len(named), 651, "refused lines in the file that names them")
    before = node.ledger(read)
    again = json.loads(node.cli(*command, timeout=600))
    check_equal((again["accepted"], again["duplicate"]), (0, said["accepted"]), "a second import")
    compare_shop(node, read, "shop")
    check_equal(node.ledger(read)["accepted"], before["accepted"], "accepted after a second import")


def log_events(hits):
    seen = collections.Counter()
    for hit in hits:
        seen[hit.line] += 1
        yield {"id": f"{oracle.hashlib.sha1(hit.line.encode('utf-8', 'surrogateescape')).hexdigest()}"
                     f"-{seen[hit.line]}",
               "at": int(hit.at.timestamp() * 1000), "visitor": hit.visitor,
               **({"name": "page_view", "url": "http://site.example" + hit.target} if hit.is_page else
                  {"name": "request", "props": {"method": hit.method, "status": hit.status}})}


def compare_log(node, read, merchant):
    hits, _ = oracle.read_log()
    want = oracle.log_by_day(hits)
    metrics = ["pageviews", "events", "visits", "bounce_rate", "visit_duration", "visitors"]
    for day in each_day(*LOG_RANGE):
        answer = node.query(read, merchant, metrics, [day, day], ["time:day"])
        got = dict(zip(metrics, answer["results"][0]["metrics"]))
        expected = want[day]
        for metric in ("pageviews", "events", "visits"):
            check_equal(got[metric], expected[metric], f"{day} {metric}")
        check_equal(float(got["bounce_rate"]), oracle.tenth_percent(expected["bounces"],
                                                                    expected["visits"]),
                    f"{day} bounce_rate")
        check(abs(got["visit_duration"] - expected["visit_ms"] / expected["visits"] / 1000) <= 0.5,
              f"{day} visit_duration: got {got['visit_duration']}, want about "
              f"{expected['visit_ms'] / expected['visits'] / 1000}")
        if expected["visitors"] <= 512:
            check_equal(got["visitors"], expected["visitors"], f"{day} visitors")
        else:
            check_equal(answer["meta"]["exact"], False, f"{day} exact")
            error = answer["meta"]["error"]
            check(0 < error < 0.01, f"stated error {error}")
            check(abs(got["visitors"] - expected["visitors"]) <= 4 * error * expected["visitors"] + 0.5,
                  f"{day} visitors: got {got['visitors']}, want {expected['visitors']} within {error}")


def test_the_access_log_through_the_api_equals_the_oracle(workspace):
    hits, torn = oracle.read_log()
    check_equal((len(hits), len(torn)), (9_999, 1), "lines read")
    node = workspace.node().start()
    write, read = node.create_merchant("site", "UTC", "USD")
    for batch in batches(log_events(hits)):
        check_equal(node.send_all(write, batch)["accepted"], len(batch), "accepted")
    compare_log(node, read, "site")


def test_the_access_log_through_import_equals_the_oracle(workspace):
    path = unpacked(workspace, "apache-access-*.log.xz", "access.log")
    node = workspace.node().start()
    write, read = node.create_merchant("site", "UTC", "USD")
    said = json.loads(node.cli("import", "--merchant", "site", "--format", "combined", "-o", "json",
                               str(path), timeout=600))
    compare_log(node, read, "site")
    torn_line = next(i for i, line in enumerate(open(path, errors="replace"), 1)
                     if not oracle.LOG_LINE.fullmatch(line.rstrip("\n")))
    check_equal([(r["count"], r["first"][0].rsplit(":", 1)[1]) for r in said["refused"]],
                [(1, str(torn_line))], f"the torn line is named in {said['refused']}")
