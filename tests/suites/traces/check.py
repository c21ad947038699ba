"""Compares the spans of a client with those of the proxy, as a collector wrote them.

usage: check.py NAME FILE CLIENT PROXY    the last two: the names of the services
"""

import json
import sys

CLIENT_KIND, SERVER_KIND = 3, 2
failed = False


def tell(name: str, is_right: bool, why: object = "") -> None:
    global failed
    failed |= not is_right
    print(f"ok {name}" if is_right else f"FAIL {name}: {why}")


def spans_of(path: str) -> dict:
    """The spans by the names of their services."""
    found: dict = {}
    for line in open(path, encoding="utf-8"):
        for resource in json.loads(line)["resourceSpans"]:
            service = attributes(resource["resource"])["service.name"]
            for scope in resource["scopeSpans"]:
                found.setdefault(service, []).extend(scope["spans"])
    return found


def attributes(of: dict) -> dict:
    return {pair["key"]: next(iter(pair["value"].values()), None) for pair in of.get("attributes", [])}


def covered(parent: dict, children: list) -> tuple:
    """The parent's nanoseconds, and how many of them its children explain together."""
    begin, end = int(parent["startTimeUnixNano"]), int(parent["endTimeUnixNano"])
    explained, at = 0, begin
    for child in sorted(children, key=lambda child: int(child["startTimeUnixNano"])):
        first, last = int(child["startTimeUnixNano"]), min(int(child["endTimeUnixNano"]), end)
        explained += max(0, last - max(first, at))
        at = max(at, last)
    return end - begin, explained


def main() -> None:
    name, path, client, proxy = sys.argv[1:]
    all_spans = spans_of(path)
    of_client = {span["spanId"]: span for span in all_spans.get(client, [])}
    of_proxy = all_spans.get(proxy, [])
    statements = [span for span in of_proxy if span["kind"] == SERVER_KIND]
    children: dict = {}
    for span in of_proxy:
        children.setdefault(span.get("parentSpanId", ""), []).append(span)

    joined = [span for span in statements if span.get("parentSpanId", "") in of_client]
    right = [span for span in joined if of_client[span.get("parentSpanId", "")]["traceId"] == span["traceId"]]
    tell(f"{name}: 200 statements are parts of their client's spans", len(right) >= 200, (len(statements), len(right)))
    texts = [attributes(span).get("db.query.text", "") for span in statements]
    unsampled = [text for text in texts if "'unsampled'" in text or text.startswith("SELECT ? FROM `traced`")]
    if client.endswith("pymysql"):
        strangers = [span for span in statements if span.get("parentSpanId", "") not in of_client]
        tell(f"{name}: what the client does not record is not traced", not unsampled and not strangers, unsampled)
    ids = {span["traceId"] for span in of_client.values()}
    alone = [span for span in joined if span["traceId"] not in ids or not children.get(span["spanId"])]
    tell(f"{name}: each has steps in the same trace", not alone, alone[:1])
    servers = [child for span in joined for child in children[span["spanId"]] if child["kind"] == CLIENT_KIND]
    roles = {attributes(span).get("pointsman.role") for span in joined}
    tell(f"{name}: both roles, each with a server", {"primary", "replica"} <= roles and len(servers) >= len(joined), roles)
    tell(f"{name}: no literal is in any span", "c4n4ry" not in json.dumps(of_proxy))
    times = [covered(span, children[span["spanId"]]) for span in joined]
    whole, explained = sum(time for time, _ in times), sum(time for _, time in times)
    share = 100 * explained / max(whole, 1)
    print(f"{name}: the steps explain {share:.1f} % of {whole / 1e6:.0f} ms")
    tell(f"{name}: the steps explain 95 % of the time", share >= 95, share)
    sys.exit(failed)


main()
