"""Questions that single events answer, before and after they are sealed, and the events themselves."""

import collections
import json
from decimal import Decimal

import oracle
from harness import check, check_equal, verify
from test_3_real_input import batches, compare_shop, log_events, segment_event

SHOP_RANGE = ["2010-12-01", "2011-05-31"]


def products_wanted(invoices):
    """Units, gross sales and orders by product name, of purchases."""
    sold = collections.defaultdict(lambda: [Decimal(0), Decimal(0), 0])
    for invoice in invoices:
        if invoice.refund:
            continue
        for name in {line[1] for line in invoice.lines}:
            sold[name][2] += 1
        for _, name, quantity, price in invoice.lines:
            sold[name][0] += quantity
            sold[name][1] += quantity * price
    return sold


def compare_products(node, read, invoices):
    want = products_wanted(invoices)
    best = sorted((n for n in want if n.strip()), key=lambda n: (-want[n][1], n))[:200]
    rows = node.query(read, "shop", ["gross_sales", "units", "orders"], SHOP_RANGE, ["event:product"],
                      filters=[["is", "event:name", ["purchase"]], ["is", "event:product", best]],
                      order_by=[["gross_sales", "desc"], ["event:product", "asc"]],
                      pagination={"limit": 500})["results"]
    check_equal(len(rows), len(best), "products of the answer")
    for row in rows:
        units, gross, orders = want[row["dimensions"][0]]
        check_equal([Decimal(str(v)) for v in row["metrics"]], [gross, units, orders],
                    f"gross, units and orders of {row['dimensions'][0]}")


def compare_customers(node, read, invoices):
    """Orders of the visitors that bought something dear, by month."""
    dear = {i.customer for i in invoices
            if i.customer and not i.refund and any(price > 100 for *_, price in i.lines)}
    some = sorted(dear)[:40]
    want = collections.Counter(i.at.strftime("%Y-%m-01") for i in invoices
                               if i.customer in some and not i.refund)
    rows = node.query(read, "shop", ["orders"], SHOP_RANGE, ["time:month"],
                      filters=[["is", "event:user", some]])["results"]
    check_equal({r["dimensions"][0]: r["metrics"][0] for r in rows if r["metrics"][0]}, dict(want),
                "orders of some customers by month")


def feed_shop(node, write, invoices):
    for batch in batches(segment_event(i) for i in invoices):
        receipt = node.send_all(write, {"batch": batch, "writeKey": write}, "/v1/batch")
        check_equal(receipt["accepted"], len(batch), "accepted")


def seal(node):
    return json.loads(node.cli("seal", "-o", "json"))


def test_the_shop_by_product_equals_the_oracle_sealed_or_not(workspace):
    invoices, _ = oracle.read_shop()
    half = len(invoices) // 2
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    feed_shop(node, write, invoices[:half])
    compare_products(node, read, invoices[:half])
    seal(node)
    blocks = json.loads(node.cli("history", "shop", "-o", "json"))["blocks"]
    check(sum(b["events"] for b in blocks) >= half, f"events in {blocks}")
    compare_products(node, read, invoices[:half])
    # One half sealed, the other not; then a kill, then everything sealed.
    feed_shop(node, write, invoices[half:])
    compare_products(node, read, invoices)
    compare_customers(node, read, invoices)
    node.kill()
    node.start()
    compare_products(node, read, invoices)
    seal(node)
    again = node.send_all(write, {"batch": [segment_event(i) for i in invoices[:200]],
                                  "writeKey": write}, "/v1/batch")
    check_equal(again["duplicate"], 200, "duplicates of what is sealed")
    compare_products(node, read, invoices)
    seal(node)
    compare_products(node, read, invoices)
    compare_customers(node, read, invoices)
    compare_shop(node, read, "shop")
    check_equal(node.terminate(), 0, "exit code")
    verify(node.data_dir)


def test_the_access_log_by_page_equals_the_oracle(workspace):
    hits, _ = oracle.read_log()
    node = workspace.node().start()
    write, read = node.create_merchant("site", "UTC", "USD")
    for number, batch in enumerate(batches(log_events(hits))):
        node.send_all(write, batch)
        if number == 4:
            seal(node)
    views, people = collections.Counter(), collections.defaultdict(set)
    for hit in hits:
        if hit.is_page:
            page = hit.target.split("?")[0].split("#")[0]
            views[page] += 1
            people[page].add(hit.visitor)
    rows = node.query(read, "site", ["pageviews", "visitors"], ["2015-05-17", "2015-05-20"],
                      ["event:page"], filters=[["is", "event:name", ["page_view"]]],
                      pagination={"limit": 10_000})["results"]
    got = {r["dimensions"][0]: tuple(r["metrics"]) for r in rows}
    few = {page: (count, len(people[page])) for page, count in views.items()
           if len(people[page]) <= 512}
    check_equal({page: got.get(page) for page in few}, few, "pageviews and visitors by page")
    check_equal(len(got), len(views), "pages")
    by_status = node.query(read, "site", ["events"], ["2015-05-17", "2015-05-20"],
                           ["event:props:status"],
                           filters=[["is", "event:name", ["request"]]])["results"]
    want = collections.Counter(str(h.status) for h in hits if not h.is_page)
    check_equal({r["dimensions"][0]: r["metrics"][0] for r in by_status}, dict(want), "by status")


def export(node, *flags):
    text = node.cli("export", "--merchant", "shop", *flags)
    return text, node.last_stderr.split()[-1]


def test_an_export_continues_and_can_be_sent_again(workspace):
    invoices, _ = oracle.read_shop()
    invoices = invoices[:3_000]
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    feed_shop(node, write, invoices[:1_000])
    seal(node)
    feed_shop(node, write, invoices[1_000:2_000])
    first, cursor = export(node, "--page", "700")
    node.kill()
    node.start()
    feed_shop(node, write, invoices[2_000:])
    second, _ = export(node, "--page", "700", "--cursor", cursor)
    lines = [json.loads(line) for line in (first + second).splitlines()]
    events = [line for line in lines if "kind" not in line]
    check_equal([e["id"] for e in events], [f"invoice-{i.number}" for i in invoices],
                "ids in the order in which they were sent")
    copy_write, copy_read = node.create_merchant("copy", "Europe/London", "GBP")
    known = {"offset", "received_at"}
    for batch in batches([{k: v for k, v in e.items() if k not in known} for e in events]):
        check_equal(node.send_all(copy_write, batch)["accepted"], len(batch), "accepted again")
    metrics = ["orders", "units", "gross_sales", "refunds", "customers", "visitors"]
    of = [node.query(key, name, metrics, SHOP_RANGE, ["time:day"])["results"]
          for key, name in ((read, "shop"), (copy_read, "copy"))]
    check_equal(of[1], of[0], "daily numbers of what was exported and sent again")
    answer = node.request("GET", "/v1/export?format=csv&limit=10&from=2010-12-02&to=2010-12-02",
                          headers={"Authorization": f"Bearer {read}"})
    check_equal((answer.status, answer.headers["Tally-More"]), (200, "true"), "a page of CSV")
    rows = answer.body.decode().splitlines()
    check_equal(len(rows), 11, "a header and ten rows")
    check(rows[1].split(",")[4].startswith("2010-12-02"), rows[1])
    for query in ("limit=0", "cursor=x", "format=xml", "from=2010-12-02", "from=x&to=y"):
        refused = node.request("GET", f"/v1/export?{query}",
                               headers={"Authorization": f"Bearer {read}"})
        check_equal(refused.status, 400, query)
