"""Daily numbers of the real data, computed without Tally: csv, decimal and zoneinfo only."""

import collections
import csv
import datetime
import hashlib
import io
import lzma
import re
import zoneinfo
from decimal import Decimal

from harness import DATA, Skip

LONDON = zoneinfo.ZoneInfo("Europe/London")
UTC = datetime.timezone.utc
VISIT_GAP_MS = 30 * 60_000


def open_data(pattern):
    found = sorted(DATA.glob(pattern)) if DATA.is_dir() else []
    if not found:
        raise Skip(f"no real data at {DATA} (set TALLY_SHARED)")
    return io.TextIOWrapper(lzma.open(found[0]), encoding="utf-8", errors="surrogateescape", newline="")


class Invoice:
    def __init__(self, number):
        self.number = number
        self.lines = []        # (stock code, description, quantity, price)
        self.customer = None
        self.at = None         # earliest local time of its lines

    @property
    def refund(self):
        return self.number.startswith("C")


def read_shop():
    """Invoices by time, and the refused lines by reason."""
    invoices, refused = {}, collections.Counter()
    with open_data("online-retail-*.csv.xz") as file:
        for row in csv.DictReader(file):
            number, quantity = row["InvoiceNo"], Decimal(row["Quantity"])
            if number.startswith("A"):
                refused["adjustment"] += 1
                continue
            if quantity < 0 and not number.startswith("C"):
                refused["bad_quantity"] += 1
                continue
            invoice = invoices.setdefault(number, Invoice(number))
            at = datetime.datetime.fromisoformat(row["InvoiceDate"])
            invoice.at = at if invoice.at is None else min(at, invoice.at)
            invoice.customer = invoice.customer or row["CustomerID"] or None
            invoice.lines.append((row["StockCode"], row["Description"],
                                  -quantity if invoice.refund else quantity, Decimal(row["UnitPrice"])))
    return sorted(invoices.values(), key=lambda i: (i.at, i.number)), refused


def utc_text(local):
    return local.replace(tzinfo=LONDON).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


SHOP_METRICS = ["orders", "units", "gross_sales", "refunds", "net_sales", "customers", "events",
                "pageviews", "visitors"]


def shop_by_day(invoices):
    days = collections.defaultdict(lambda: {
        "orders": 0, "units": Decimal(0), "gross_sales": Decimal(0), "refunds": Decimal(0),
        "customers": set(), "visitors": set(), "events": 0, "pageviews": 0})
    for invoice in invoices:
        day = days[invoice.at.date().isoformat()]
        amount = sum(quantity * price for _, _, quantity, price in invoice.lines)
        day["events"] += 1
        if invoice.customer:
            day["visitors"].add(invoice.customer)
        if invoice.refund:
            day["refunds"] += amount
            continue
        day["orders"] += 1
        day["units"] += sum(line[2] for line in invoice.lines)
        day["gross_sales"] += amount
        if invoice.customer:
            day["customers"].add(invoice.customer)
    for day in days.values():
        day["net_sales"] = day["gross_sales"] - day["refunds"]
        day["customers"], day["visitors"] = len(day["customers"]), len(day["visitors"])
    return dict(days)


LOG_LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "([^"]*)" (\d{3}) (\S+) "([^"]*)" "([^"]*)"')
ASSET = re.compile(r"\.(png|jpg|jpeg|gif|css|js|ico|svg|woff|ttf)$")


class Hit:
    def __init__(self, line, address, agent, at, method, target, status, referrer):
        self.line, self.visitor = line, hashlib.sha1(f"{address}|{agent}".encode(
            "utf-8", "surrogateescape")).hexdigest()[:20]
        self.address, self.agent, self.at = address, agent, at
        self.method, self.target, self.status, self.referrer = method, target, status, referrer
        path = target.split("?")[0]
        self.is_page = (method == "GET" and (200 <= status <= 299 or status == 304)
                        and not ASSET.search(path))


def read_log():
    """Requests in the order of the file, and the lines that are none."""
    hits, torn = [], []
    with open_data("apache-access-*.log.xz") as file:
        for line in file.read().splitlines():
            match = LOG_LINE.fullmatch(line)
            parts = match.group(3).split(" ") if match else []
            if len(parts) != 3:
                torn.append(line)
                continue
            at = datetime.datetime.strptime(match.group(2), "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC)
            hits.append(Hit(line, match.group(1), match.group(7), at, parts[0], parts[1],
                            int(match.group(4)), match.group(6)))
    return hits, torn


LOG_METRICS = ["pageviews", "events", "visitors", "visits", "bounce_rate", "visit_duration"]


def tenth_percent(part, whole):
    return None if whole == 0 else float((Decimal(part) * 100 / whole).quantize(Decimal("0.1")))


def log_by_day(hits):
    days = collections.defaultdict(lambda: collections.Counter())
    visitors, by_visitor = collections.defaultdict(set), collections.defaultdict(list)
    for hit in hits:
        day = hit.at.date().isoformat()
        days[day]["events"] += 1
        days[day]["pageviews"] += hit.is_page
        visitors[day].add(hit.visitor)
        by_visitor[hit.visitor].append((int(hit.at.timestamp() * 1000), hit.is_page))
    for sequence in by_visitor.values():
        sequence.sort(key=lambda s: s[0])
        visit = []
        for at, is_page in sequence + [(None, None)]:
            if visit and (at is None or at - visit[-1][0] > VISIT_GAP_MS):
                begin = datetime.datetime.fromtimestamp(visit[0][0] / 1000, UTC)
                day = days[begin.date().isoformat()]
                pages = sum(1 for v in visit if v[1])
                day["visits"] += 1
                day["bounces"] += pages == 1 and len(visit) == 1
                day["visit_ms"] += visit[-1][0] - visit[0][0]
                visit = []
            visit.append((at, is_page))
    return {day: {"pageviews": n["pageviews"], "events": n["events"], "visitors": len(visitors[day]),
                  "visits": n["visits"], "bounces": n["bounces"], "visit_ms": n["visit_ms"]}
            for day, n in days.items()}
