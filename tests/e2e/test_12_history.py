"""Questions that single events answer, before and after they are sealed, and the events themselves."""

import collections
import datetime
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


def node_with_log(workspace, hits, sealed_after):
    """A node that has the access log, some batches of it sealed, and the read key of its merchant."""
    node = workspace.node().start()
    write, read = node.create_merchant("site", "UTC", "USD")
    for number, batch in enumerate(batches(log_events(hits))):
        node.send_all(write, batch)
        if number == sealed_after:
            seal(node)
    return node, read


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
    node, read = node_with_log(workspace, hits, sealed_after=4)
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


def ask(node, read, path, question):
    answer = node.request("POST", path, json.dumps(question), {"Authorization": f"Bearer {read}"}, timeout=60)
    check_equal(answer.status, 200, f"status of {path}: {answer.body[:500]!r}")
    return answer.json()


def longest_way(times_of_steps, window_ms):
    """How many steps follow each other, the last at most a window after the first.

    A time is (milliseconds, place in the file).
    """
    best = 0
    for start in times_of_steps[0]:
        at, came = start, 1
        for times in times_of_steps[1:]:
            later = [t for t in times if t > at and t[0] - start[0] <= window_ms]
            if not later:
                break
            at, came = min(later), came + 1
        best = max(best, came)
    return best


def test_a_funnel_of_the_access_log_equals_the_oracle(workspace):
    hits, _ = oracle.read_log()
    node, read = node_with_log(workspace, hits, sealed_after=3)
    steps = ["/", "/blog/", "/projects/"]
    visits = collections.defaultdict(lambda: [[] for _ in steps])
    for place, hit in enumerate(hits):
        page = hit.target.split("?")[0]
        for i, step in enumerate(steps):
            if hit.is_page and page.startswith(step) and (step != "/" or page == "/"):
                visits[hit.visitor][i].append((int(hit.at.timestamp() * 1000), place))
    ways = [longest_way(times, 3_600_000) for times in visits.values() if times[0]]
    filters = [["is", "event:page", ["/"]], ["matches", "event:page", ["^/blog/"]],
               ["matches", "event:page", ["^/projects/"]]]
    views = [["is", "event:name", ["page_view"]]]
    answer = ask(node, read, "/api/v2/funnel", {
        "date_range": ["2015-05-17", "2015-05-20"], "window_seconds": 3_600, "filters": views,
        "steps": [{"label": name, "filter": f} for name, f in zip(steps, filters)]})
    got = answer["results"]["steps"]
    check_equal([s["label"] for s in got], steps, "labels")
    check_equal([s["visitors"] for s in got], [sum(w > i for w in ways) for i in range(3)],
                "visitors by step")
    check_equal(got[0]["conversion"], 100.0, "conversion of the first step")
    typed = ["query", "--merchant", "site", "--range", "2015-05-17,2015-05-20", "--window", "1h",
             "--filters", json.dumps(views)]
    for one in filters:
        typed += ["--funnel", json.dumps(one)]
    lines = [line.split(",") for line in node.cli(*typed, "-o", "csv").splitlines()]
    check_equal(lines[0], ["step", "visitors", "conversion", "from_previous", "drop_off"], "header")
    check_equal([line[1:] for line in lines[1:]],
                [[str(s[k]) for k in ("visitors", "conversion", "from_previous", "drop_off")]
                 for s in got], "the funnel on the command line")
    chart = node.cli(*typed, "-o", "chart", "--dimensions", "visit:os")
    check("(none) · step 2" in chart and "█" in chart, f"a chart by system: {chart[:400]}")


def way_after(hits, anchor, steps, window_ms):
    """The pages that one visitor saw after the first hit of a page; None where it never came."""
    begin = next((n for n, (_, _, page) in enumerate(hits) if page == anchor), None)
    if begin is None:
        return None
    found, last = [], anchor
    for at, _, page in hits[begin + 1:]:
        if at - hits[begin][0] > window_ms or len(found) == steps:
            break
        if page != last:
            found.append(page)
        last = page
    return tuple(found)


def test_journeys_of_the_access_log_equal_the_oracle(workspace):
    hits, _ = oracle.read_log()
    node, read = node_with_log(workspace, hits, sealed_after=2)
    people = collections.defaultdict(list)
    for place, hit in enumerate(hits):
        if hit.is_page:
            page = hit.target.split("?")[0].split("#")[0]
            people[hit.visitor].append((int(hit.at.timestamp() * 1000), place, page))
    seen = collections.Counter(page for views in people.values() for _, _, page in views)
    for anchor, backwards in ((seen.most_common(3)[2][0], False), (seen.most_common(2)[1][0], True)):
        ways = collections.Counter()
        for views in people.values():
            views = sorted(views)
            if backwards:
                views = [(-at, place, page) for at, place, page in reversed(views)]
            way = way_after(views, anchor, 3, 3_600_000)
            if way is not None:
                ways[way] += 1
        answer = ask(node, read, "/api/v2/journeys", {
            "date_range": ["2015-05-17", "2015-05-20"], "end" if backwards else "start":
            ["is", "event:page", [anchor]], "filters": [["is", "event:name", ["page_view"]]],
            "steps": 3, "top": 1000, "window_seconds": 3_600})
        results = answer["results"]
        check_equal(answer["meta"]["total_ways"], len(ways), f"different ways at {anchor}")
        got = {tuple(w["values"]): w["visitors"] for w in results["ways"]}
        common = {way: count for way, count in ways.items() if count > 1}
        check_equal({way: got.get(way) for way in common}, common, f"ways at {anchor}")
        check_equal(results["visitors"], sum(ways.values()), "visitors")
        check_equal(results["steps"][0]["drop_off"], ways[()], "who saw nothing else")
        first = collections.Counter(w[0] for w in ways.elements() if w)
        check_equal({v["value"]: v["visitors"] for v in results["steps"][0]["values"]}, dict(first), "the first step")
    typed = ["--before", json.dumps(["is", "event:page", [anchor]]), "--steps", "1", "--limit", "3"]
    lines = node.cli("query", "--merchant", "site", "--range", "2015-05-17,2015-05-20", *typed, "-o", "csv").splitlines()
    check_equal(lines[0], "step,event:page,visitors,share", "header of the command's table")
    step = ask(node, read, "/api/v2/journeys", {
        "date_range": ["2015-05-17", "2015-05-20"], "end": ["is", "event:page", [anchor]],
        "steps": 1, "top": 3})["results"]["steps"][0]
    rows = [[v["value"], str(v["visitors"])] for v in step["values"]]
    rows += [["(others)", str(step["others"])]] * bool(step["others"])
    rows += [["(nothing more)", str(step["drop_off"])]] * bool(step["drop_off"])
    check_equal([line.split(",")[1:3] for line in lines[1:]], rows, "the command's table")
    check(len(rows) > 1, f"something came before {anchor}")


def test_retention_of_the_shop_equals_the_oracle(workspace):
    invoices, _ = oracle.read_shop()
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    feed_shop(node, write, invoices[:6_000])
    seal(node)
    feed_shop(node, write, invoices[6_000:])
    bought, first = collections.defaultdict(set), {}
    for invoice in invoices:
        if invoice.customer and not invoice.refund:
            month = invoice.at.strftime("%Y-%m-01")
            bought[invoice.customer].add(month)
            first[invoice.customer] = min(first.get(invoice.customer, month), month)
    months = sorted({m for of in bought.values() for m in of})
    want = {m: [sum(first[c] == m and later in bought[c] for c in first)
                for later in months[months.index(m):]] for m in months}
    answer = ask(node, read, "/api/v2/retention",
                 {"date_range": SHOP_RANGE, "period": "month", "of": "customers"})
    got = {row["cohort"]: [cell["people"] for cell in row["cells"]] for row in answer["results"]}
    check_equal(got, want, "people by cohort and month")
    sizes = {row["cohort"]: row["size"] for row in answer["results"]}
    check_equal(sizes, {m: row[0] for m, row in want.items()}, "sizes of cohorts")
    lines = node.cli("query", "--merchant", "shop", "--range", ",".join(SHOP_RANGE), "--retention", "month",
                     "--customers", "-o", "csv").splitlines()
    check_equal(lines[0].split(",")[:3], ["cohort", "size", "month 0"], "header")
    table = {line.split(",")[0]: [int(n) for n in line.split(",")[2:] if n] for line in lines[1:]}
    check_equal(table, want, "retention on the command line")


LOG_RANGE = ["2015-05-17", "2015-05-20"]


def refunds_of(invoices):
    """A refund for every seventh order, of its first line, some days after it and by its id."""
    for number, invoice in enumerate(i for i in invoices if not i.refund and i.lines):
        if number % 7 == 0:
            _, _, quantity, price = invoice.lines[0]
            yield invoice, invoice.at + datetime.timedelta(days=number % 40 + 1), quantity * price


def test_refunds_count_on_the_day_of_their_order_where_asked(workspace):
    invoices, _ = oracle.read_shop()
    invoices = [i for i in invoices if i.at.strftime("%Y-%m") in ("2010-12", "2011-01")]
    node = workspace.node().start()
    write, read = node.create_merchant("shop", "Europe/London", "GBP")
    feed_shop(node, write, [i for i in invoices if not i.refund])
    seal(node)
    on_order, on_refund, sent = collections.Counter(), collections.Counter(), []
    for order, at, amount in refunds_of(invoices):
        on_order[order.at.strftime("%Y-%m-%d")] += amount
        on_refund[at.strftime("%Y-%m-%d")] += amount
        sent.append({"id": f"refund-{order.number}", "at": oracle.utc_text(at), "name": "refund",
                     "order": {"id": order.number, "currency": "GBP", "amount": str(amount)}})
    check(len(sent) > 100, f"{len(sent)} refunds")
    node.send_all(write, sent)
    for sealed in (False, True):
        if sealed:
            seal(node)
        for day_of, want in (("order", on_order), ("refund", on_refund)):
            rows = node.query(read, "shop", ["refunds"], ["2010-12-01", "2011-04-30"], ["time:day"],
                              refunds_on=day_of)["results"]
            got = {r["dimensions"][0]: Decimal(r["metrics"][0]) for r in rows}
            check_equal({d: v for d, v in got.items() if v}, {d: v for d, v in want.items() if v},
                        f"refunds on the day of the {day_of}, sealed {sealed}")


def test_goals_and_segments_apply_to_the_past(workspace):
    hits, _ = oracle.read_log()
    node, read = node_with_log(workspace, hits, sealed_after=4)
    node.cli("goal", "add", "site", "Reads the blog", "--page", "/blog/**")
    node.cli("goal", "add", "site", "Presentation", "--page", "/presentations/*/")
    node.cli("goal", "add", "site", "Not found", "--filter", '["is", "event:props:status", ["404"]]')
    node.cli("segment", "add", "site", "Blog people", "--filter",
             '["has_done", ["is", "event:goal", ["Reads the blog"]]]')
    node.kill()
    node.start()
    goals = json.loads(node.cli("goal", "list", "site", "-o", "json"))["goals"]
    check_equal([g["name"] for g in goals], ["Not found", "Presentation", "Reads the blog"], "goals")

    def path(hit):
        return hit.target.split("?")[0].split("#")[0]

    want, people = collections.Counter(), collections.defaultdict(set)
    for hit in hits:
        reached = []
        if hit.is_page and path(hit).startswith("/blog/"):
            reached.append("Reads the blog")
        parts = path(hit).split("/")
        if hit.is_page and len(parts) == 4 and parts[1] == "presentations" and parts[3] == "":
            reached.append("Presentation")
        if not hit.is_page and hit.status == 404:
            reached.append("Not found")
        for goal in reached:
            want[goal] += 1
            people[goal].add(hit.visitor)
    check(all(want[g["name"]] > 20 for g in goals), f"goals that the log reaches: {want}")
    answer = node.query(read, "site", ["events", "visitors"], LOG_RANGE, ["event:goal"],
                        include={"totals": True})
    got = {r["dimensions"][0]: r["metrics"] for r in answer["results"]}
    check_equal({g: n[0] for g, n in got.items()}, dict(want), "events by goal")
    for goal, who in people.items():
        if len(who) <= 512:
            check_equal(got[goal][1], len(who), f"visitors who reach {goal}")
    check_equal(answer["meta"]["totals"]["metrics"][0], sum(want.values()), "events that reach a goal")
    of_segment = node.query(read, "site", ["events"], LOG_RANGE,
                            filters=[["is", "segment", ["Blog people"]]])["results"][0]["metrics"][0]
    check_equal(of_segment, sum(hit.visitor in people["Reads the blog"] for hit in hits),
                "events of people who read the blog")
    question = {"metrics": ["events"], "date_range": "all", "filters": [["is", "event:goal", ["Sold"]]]}
    refused = node.request("POST", "/api/v2/query", json.dumps(question),
                           {"Authorization": f"Bearer {read}"})
    check_equal(refused.status, 400, "a goal that is not there")
    check(b"/filters/0/2" in refused.body and b"Not found" in refused.body, f"{refused.body}")
    node.cli("goal", "remove", "site", "Not found")
    node.cli("goal", "remove", "site", "Not found", expect=3)
    node.cli("goal", "add", "site", "By source", "--filter", '["is", "visit:source", ["x"]]', expect=2)
    node.cli("segment", "add", "site", "Bad", "--filter", '["is", "visit:moon"', expect=2)
