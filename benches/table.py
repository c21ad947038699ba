"""The results as Markdown, on standard output and between the markers in docs/benchmarks.md."""
import math
import os
import platform
import re
import statistics
import subprocess

TITLES = {"direct": "direct", "haproxy": "HAProxy", "split": "Pointsman `split`", "eventual": "Pointsman `eventual`",
          "strong": "Pointsman `strong`", "primary": "Pointsman `primary`"}
KINDS = {"mariadb": "MariaDB", "mysql": "MySQL 9.7"}


def workload_targets(targets):
    """The targets of the workloads: a `split` port at both ends of the consistency levels."""
    at_levels = {"split": ["eventual", "strong"]}
    return [name for target in targets for name in at_levels.get(target, [target])]


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def relative(rounds, name, base, key):
    """The median over rounds of a target's figure by another's in the same round."""
    if name not in rounds or base not in rounds:
        return None
    return median(ratios(rounds[name], rounds[base], key))


def ratios(figures, bases, key):
    return [a[key] / b[key] for a, b in zip(figures, bases) if b[key]]


def interval(values):
    """Between which values the median is, with a confidence of at least 95 %, whatever the values' distribution: so many
    of them are below the median as a fair coin shows heads. None for fewer than six values, which cannot say it."""
    values, below = sorted(values), -1
    tail = 0.0
    while (tail := tail + math.comb(len(values), below + 1) / 2 ** len(values)) <= 0.025:
        below += 1
    return None if below < 0 else (values[below], values[-1 - below])


def workload_table(results, s):
    """One table for each kind of server."""
    names = workload_targets(s["targets"])
    proxies = [n for n in names if n != "direct"]
    ours = [n for n in proxies if n != "haproxy"]
    heads = [f"{TITLES[n]}: QPS" for n in names] + [f"{TITLES[n]}: CPU per query, µs" for n in proxies]
    heads += [f"CPU, `{n}` to HAProxy" for n in ours if "haproxy" in names]
    lines = []
    for kind, workloads in results.items():
        lines += ["" if lines else None, row(KINDS[kind], *heads), row("---", *["---:"] * len(heads))]
        for workload in workloads:
            rounds = workload["rounds"]
            lines.append(row(workload["name"], *(number(median(r["qps"] for r in rounds[n]), 0) for n in names),
                             *(number(median(r["cpu"] for r in rounds[n]), 1) for n in proxies),
                             *(number(relative(rounds, n, "haproxy", "cpu")) for n in ours if "haproxy" in names)))
    return [line for line in lines if line is not None]


def worst(rounds, name, key):
    return number(max(r[key] for r in rounds[name]), 0)


def most(rounds):
    """The most connections to each server over all rounds, the primary first."""
    return " / ".join(number(max(n), 0) for n in zip(*(r["connections"] for r in rounds)))


def pressure_table(results, s):
    names = [n for n in TITLES if n in s["targets"] and n != "primary"]
    proxies = [n for n in names if n != "direct"]
    lines = []
    for load in results.values():
        rounds = load["rounds"]

        def middle(key, digits=2, rounds=rounds):
            return [number(median(r[key] for r in rounds[n]), digits) for n in names]

        lines += ["" if lines else None, row(f"each of {s['active']}: {load['text']}", *(TITLES[n] for n in names)),
                  row("---", *["---:"] * len(names)),
                  row("clients", *(number(s["active" if n == "direct" else "clients"], 0) for n in names)),
                  row("errors and wrong answers", *(worst(rounds, n, "errors") for n in names)),
                  row("statements per second", *middle("qps", 0)), row("p50, ms", *middle("p50")),
                  row("p99, ms", *middle("p99")), row("p99, reads, ms", *middle("read_p99")),
                  row("p99, writes and transactions, ms", *middle("write_p99"))]
        if "direct" in names:
            lines.append(row("**p99 relative to direct**", *(number(relative(rounds, n, "direct", "p99")) for n in names)))
        lines.append(row("most connections to the primary / the replicas", *(most(rounds[n]) for n in names)))
        waits = [worst(rounds, n, "waits") if n in proxies and n != "haproxy" else "–" for n in names]
        lines.append(row("statements that waited for a connection", *waits))
    return [line for line in lines if line is not None]


def idle_table(results, s):
    heads = [TITLES[r["name"]] + (f", at most {r['limit']:,} a server" if r["limit"] else "") for r in results]
    return [row(f"{s['idle']:,} clients, one statement each, then idle", *heads), row("---", *["---:"] * len(heads)),
            row("connections to the primary / the replicas", *(most([r]) for r in results)),
            row("clients that waited (8 connect at a time)", *("–" if r["waits"] is None else number(r["waits"], 0) for r in results)),
            row("errors, also at another statement by each", *(number(r["errors"], 0) for r in results)),
            row("memory of the proxy per client, KiB", *(number(r["kib"], 1) for r in results))]


def crowds_table(results, s):
    names = {"haproxy": TITLES["haproxy"], "epoll": "epoll", "io_uring": "io_uring"}
    heads = [f"memory per client, KiB: {title}" for title in names.values()]
    lines = [row("clients, one statement each, then idle", *heads, "errors, also at another statement by each"),
             row("---", *["---:"] * (len(names) + 1))]
    return lines + [row(f"{r['clients']:,}", *(number(r[name]["kib"], 1) for name in names),
                        number(sum(r[name]["errors"] for name in names), 0)) for r in results]


def other_table(results, s):
    names = [n for n in TITLES if n in results["result"]]
    lines = [row("", *(TITLES[n] for n in names)), row("---", *["---:"] * len(names))]
    for key, text in (("result", f"a result of {s['mib']:,} MiB"), ("load", f"LOAD DATA LOCAL of {s['mib']:,} MiB")):
        rounds = results[key]
        lines.append(row(f"{text}, MiB/s", *(number(median(r["speed"] for r in rounds[n]), 0) for n in names)))
        if "haproxy" in names:
            lines.append(row("… relative to HAProxy",
                             *(number(relative(rounds, n, "haproxy", "speed")) for n in names)))
        growth = [None if n == "direct" else max(r["growth"] for r in rounds[n]) for n in names]
        lines.append(row("… the proxy's memory grows by, MiB", *(number(g, 1) for g in growth)))
    return lines


def connects_table(results, s):
    names = {"direct": "direct", "haproxy": TITLES["haproxy"], "epoll": "Pointsman, epoll", "io_uring": "Pointsman, io_uring"}
    lines = []
    for kind, rounds in results.items():
        middle = lambda n, key, digits: number(median(r[key] for r in rounds[n]), digits)
        lines += [row(KINDS[kind], *names.values()), row("---", *["---:"] * len(names)),
                  row("seconds", *(middle(n, "seconds", 2) for n in names)),
                  row("… relative to direct", *(number(relative(rounds, n, "direct", "seconds")) for n in names)),
                  row("p99 of a login, ms", *(middle(n, "login", 2) for n in names)),
                  row("the proxy's CPU per connection, µs", "–", *(middle(n, "proxy", 0) for n in names if n != "direct")),
                  row("the servers' CPU per connection, µs", *(middle(n, "servers", 0) for n in names)), ""]
    return lines[:-1]


def levels_table(results, s):
    names = ["eventual", "session", "strong"]
    lines = [row("workload", *(f"`{n}`: QPS" for n in names), *(f"`{n}`: CPU per query, µs" for n in names),
                 "QPS, `strong` to `eventual`", "CPU, `strong` to `eventual`", "reads that share a question",
                 "reads on replicas at `strong`", "the primary's share of a core, `eventual` / `strong`"),
             row("---", *["---:"] * 11)]
    for workload in results["rows"]:
        rounds = workload["rounds"]
        middle = lambda n, key, digits: number(median(r[key] for r in rounds[n]), digits)
        lines.append(row(workload["name"], *(middle(n, "qps", 0) for n in names), *(middle(n, "cpu", 1) for n in names),
                         number(relative(rounds, "strong", "eventual", "qps")),
                         number(relative(rounds, "strong", "eventual", "cpu")), middle("strong", "batch", 1),
                         number(100 * median(r["share"] for r in rounds["strong"]), 1) + " %",
                         " / ".join(number(100 * median(r["core"] for r in rounds[n]), 1) + " %" for n in ("eventual", "strong"))))
    alone, behind = results["rows"][0]["rounds"], results["rows"][-1]["rounds"]
    added = median(a["avg"] - b["avg"] for a, b in zip(alone["strong"], alone["eventual"]))
    lines += ["", row("1 thread", "ms"), row("---", "---:"),
              row("a `strong` read takes longer than one at `eventual` by, on average", number(added)),
              row("a read past the proxy, on average: a round trip to a server and the server's work", number(results["trip"])),
              row("p50 of a `strong` read, one replica 1 s behind", number(median(r["p50"] for r in behind["strong"])))]
    return lines


def workers_table(results, s):
    counts = list(results[0]["rounds"])
    heads = [f"{title}: {n}" for title in ["QPS, `workers`", "CPU per query, µs", "questions per query", "reads that share a question"]
             for n in counts]
    lines = [row("workload", *heads), row("---", *["---:"] * len(heads))]
    for workload in results:
        rounds = workload["rounds"]
        figures = [number(median(r[key] for r in rounds[n]), digits)
                   for key, digits in [("qps", 0), ("cpu", 1), ("questions", 3), ("batch", 1)] for n in counts]
        lines.append(row(workload["name"], *figures))
    return lines


def drivers_table(results, s):
    """CPU relative to HAProxy, and QPS of `strong` relative to `eventual`, round by round."""
    lines = []
    for kind, workloads in results.items():
        others = [name for name in workloads[0]["rounds"] if name != "haproxy"]
        pairs = [(driver, f"{driver}, eventual", f"{driver}, strong") for driver in ("epoll", "io_uring")]
        heads = [*(f"CPU: {name}" for name in others), *(f"QPS, `strong` to `eventual`: {driver}" for driver, *_ in pairs),
                 *(f"QPS: {name}" for name in others), "HAProxy: CPU per query, µs", "HAProxy: QPS"]
        lines += [row(KINDS[kind], *heads), row("---", *["---:"] * len(heads))]
        for workload in workloads:
            rounds = workload["rounds"]
            figures = [*(relative(rounds, name, "haproxy", "cpu") for name in others),
                       *(relative(rounds, strong, eventual, "qps") for _, eventual, strong in pairs),
                       *(relative(rounds, name, "haproxy", "qps") for name in others)]
            plain = [number(median(r[key] for r in rounds["haproxy"]), digits) for key, digits in [("cpu", 1), ("qps", 0)]]
            lines.append(row(workload["name"], *(number(figure, 2) for figure in figures), *plain))
        lines.append("")
    return lines[:-1]


def former_table(results, s):
    """Each figure of this build relative to the former one, round by round."""
    to_direct = lambda rounds, key: (number(relative(rounds, name, "direct", key)) for name in ("former", "this"))
    lines = []
    for kind, parts in results.items():
        lines += [row(KINDS[kind], "former", "this", "this to former", "… 95 % interval"), row("---", *["---:"] * 4)]

        def line(text, rounds, key, digits):
            plain = [number(median(r[key] for r in rounds[name]), digits) for name in ("former", "this")]
            between = interval(ratios(rounds["this"], rounds["former"], key))
            lines.append(row(text, *plain, number(relative(rounds, "this", "former", key), 3),
                             " to ".join(number(end, 3) for end in between or [None])))

        for workload in parts.get("workloads", []):
            line(f"{workload['name']}: CPU per query, µs", workload["rounds"], "cpu", 1)
            line("… QPS", workload["rounds"], "qps", 0)
        if "crowd" in parts:
            line(f"{s['clients']:,} clients over {s['pool']} connections: QPS", parts["crowd"], "qps", 0)
        if "logins" in parts:
            line("connect, `SELECT 1`, close: seconds", parts["logins"], "seconds", 2)
            lines.append(row("… to a direct connection", *to_direct(parts["logins"], "seconds"), "–", "–"))
            line("… p99 of a login, ms", parts["logins"], "login", 2)
            lines.append(row("… to a direct connection", *to_direct(parts["logins"], "login"), "–", "–"))
        lines.append("")
    return lines[:-1]


def digests_table(results, s):
    lines = [row("workload", "`max = 0`: QPS", "`max = 2000`: QPS", "`max = 0`: CPU per query, µs",
                 "`max = 2000`: CPU per query, µs", "CPU, on to off (goal: 1.02)"), row("---", *["---:"] * 5)]
    for workload in results:
        rounds = workload["rounds"]
        middle = lambda n, key, digits: number(median(r[key] for r in rounds[n]), digits)
        lines.append(row(workload["name"], middle("off", "qps", 0), middle("on", "qps", 0), middle("off", "cpu", 1),
                         middle("on", "cpu", 1), number(relative(rounds, "on", "off", "cpu"), 3)))
    return lines


def tap_table(rounds, s):
    names = {"nobody": "nobody reads", "fast": "`curl` reads everything", "slow": "a reader takes 4 KiB a second"}
    lines = [row("point select, prepared, 16 threads, while …", "QPS", "p99, ms", "the proxy's CPU per query, µs",
                 "QPS, relative to nobody", "statements dropped for the reader"), row("---", *["---:"] * 5)]
    for reader, text in names.items():
        middle = lambda key, digits: number(median(r[key] for r in rounds[reader]), digits)
        lines.append(row(text, middle("qps", 0), middle("p99", 2), middle("cpu", 1),
                         number(relative(rounds, reader, "nobody", "qps")),
                         number(100 * median(r["dropped"] for r in rounds[reader]), 0) + " %"))
    return lines


def traces_table(results, s):
    names = {"off": "off", "0.01": "`ratio = 0.01`", "1": "`ratio = 1`"}
    lines = [row("workload", "traces", "QPS", "p99, ms", "the proxy's CPU per query, µs", "CPU, relative to off",
                 "spans per query", "spans dropped"), row("---", "---", *["---:"] * 6)]
    for workload in results:
        rounds = workload["rounds"]
        for name, text in names.items():
            middle = lambda key, digits: number(median(r[key] for r in rounds[name]), digits)
            lines.append(row(workload["name"], text, middle("qps", 0), middle("p99", 2), middle("cpu", 1),
                             number(relative(rounds, name, "off", "cpu"), 3), middle("exported", 2),
                             number(100 * median(r["dropped"] for r in rounds[name]), 0) + " %"))
    return lines


def commits_table(results, s):
    names = ["unknown", "looked_up"]
    lines = [row("transaction", *(f"`{n}`: a second" for n in names), *(f"`{n}`: p50, ms" for n in names),
                 "a second, `looked_up` to `unknown`", *(f"`{n}`: the proxy's CPU, µs" for n in names),
                 "bytes of binary log more", "savepoints"),
             row("---", *["---:"] * 9)]
    for workload in results:
        rounds = workload["rounds"]
        middle = lambda n, key, digits: number(median(r[key] for r in rounds[n]), digits)
        more = [b["log"] - a["log"] for a, b in zip(rounds["unknown"], rounds["looked_up"])]
        lines.append(row(workload["name"], *(middle(n, "tps", 0) for n in names), *(middle(n, "p50", 2) for n in names),
                         number(relative(rounds, "looked_up", "unknown", "tps")), *(middle(n, "cpu", 0) for n in names),
                         number(median(more), 0), middle("looked_up", "marks", 2)))
    return lines


def ways_table(results, s):
    names = {"plain": "neither leg", "clients": "clients", "both": "both legs"}
    direct = {"direct": "direct, without TLS", "direct TLS": "direct, TLS"}
    lines = [row("TLS on …", *(f"{text}: QPS" for text in (names | direct).values()),
                 *(f"{text}: the proxy's CPU per query, µs" for text in names.values()),
                 "CPU, clients to neither (goal: 1.12)", "QPS, both to neither (goal: 0.85)", "QPS, direct TLS to direct"),
             row("---", *["---:"] * 11)]
    for workload in results:
        rounds = workload["rounds"]
        lines.append(row(workload["name"], *(number(median(r["qps"] for r in rounds[n]), 0) for n in names | direct),
                         *(number(median(r["cpu"] for r in rounds[n]), 1) for n in names),
                         number(relative(rounds, "clients", "plain", "cpu")), number(relative(rounds, "both", "plain", "qps")),
                         number(relative(rounds, "direct TLS", "direct", "qps"))))
    return lines


def tls_table(results, s):
    lines = ways_table(results["selects"], s)
    lines += ["", row(f"{s['logins']:,} TLS logins", "direct, s", "Pointsman, s", "relative to direct (goal: 1.00)",
                      "resumed, direct / Pointsman"), row("---", *["---:"] * 4)]
    servers = {"mariadb": "MariaDB, mysql_native_password", "mysql": "MySQL 9.7, caching_sha2_password"}
    for kind, rows in results["logins"].items():
        for one in rows:
            rounds = one["rounds"]
            text = f"{servers[kind]}: {'resumed' if one['resume'] else 'full'}, " + (
                "one after another" if one["at_a_time"] == 1 else f"{one['at_a_time']} at a time")
            share = " / ".join(number(100 * median(r["resumed"] for r in rounds[n]), 0) + " %" for n in ("direct", "proxy"))
            lines.append(row(text, *(number(median(r["seconds"] for r in rounds[n])) for n in ("direct", "proxy")),
                             number(relative(rounds, "proxy", "direct", "seconds")), share))
    idle = results["idle"]
    lines += ["", row(f"{s['idle']:,} idle clients, KiB of the proxy for each", "plaintext", "TLS (goal: 12)"),
              row("---", "---:", "---:")]
    lines += [row(text, number(idle["plain"][key], 1), number(idle["TLS"][key], 1))
              for key, text in (("login", "behind the login"), ("statement", "behind a statement"))]
    return lines + ["", *floods_table(results["floods"])]


def floods_table(floods):
    names = {"passwords": "2,000 wrong passwords a second", "hellos": "2,000 TLS handshakes a second that the client breaks off",
             "whole": "as many whole TLS handshakes, with logins of unknown users, as a core makes",
             "most hellos": "as many TLS handshakes that the client breaks off as a core makes"}
    defences = {"other": "", "same": ", from the sessions' own address", "off": ", `max_login_errors = 0`",
                "elsewhere": ", at another proxy beside this one"}
    lines = [row("50 sessions, each with a point select every 20 ms, while there are …", "tries a second", "not blocked",
                 "p50, ms", "p99, ms", "p99 relative to quiet (goal: 2)", "the proxy's share of a core", "errors"),
             row("---", *["---:"] * 7)]
    quiet = floods["quiet"]["other"]
    for what, text in ({"quiet": "no others"} | names).items():
        for defence, seen in floods[what].items():
            open_ = [100 * r["tries"]["answered"] / max(r["tries"]["tries"], 1) for r in seen if r["tries"]]
            ratios = [a["p99"] / b["p99"] for a, b in zip(seen, quiet) if a["p99"] and b["p99"]]
            lines.append(row(f"{text}{defences[defence]}",
                             number(median(r["a_second"] for r in seen), 0) if open_ else "–",
                             number(median(open_), 0) + " %" if open_ else "–",
                             number(median(r["p50"] for r in seen)), number(median(r["p99"] for r in seen)),
                             number(median(ratios)), number(100 * median(r["core"] for r in seen), 0) + " %",
                             number(max(r["errors"] for r in seen), 0)))
    return lines


def logins_table(results, s):
    def p_value(p):
        return number(p, 3) if p >= 0.001 else "< 0.001"

    lines = [row("refused logins, µs: p10 / median / p90", "wrong password", "unknown user", "difference of the medians",
                 "p-value", "p-value, two unknown users"), row("---", *["---:"] * 5)]
    for one in results:
        times = one["times"]
        lines.append(row(f"{one['plugin']}, {'TLS' if one['tls'] else 'plaintext'}",
                         *(" / ".join(number(t, 1) for t in times[kind]) for kind in ("wrong", "unknown")),
                         number(times["unknown"][1] - times["wrong"][1]), p_value(one["p"]), p_value(one["control"])))
    return lines


def failover_table(failover, s):
    lines = [row(f"change of primary, {s['failovers']} times each through a `split` port, worst", "planned switchover", "primary killed"),
             row("---", "---:", "---:")]
    waits = []
    for kind in ("switchover", "kill"):
        seen = [r["first_write_ms"] for r in failover[kind]]
        waits.append("never" if None in seen else number(max(seen), 0))
    lines.append(row("first write acknowledged after the new primary is writable, ms", *waits))
    for key, text in (("idle_lost", "idle sessions lost, of 50"), ("writes_lost", "acknowledged writes lost"),
                      ("run_twice", "statements run twice"), ("errors", "errors seen by 4 writers"),
                      ("connections_lost", "connections lost by 4 writers")):
        lines.append(row(text, worst(failover, "switchover", key), worst(failover, "kill", key)))
    return lines


def changes_table(lines, s):
    return [row("100 clients, `split` port", ""), row("---", "---:"), *lines]


def pods_table(lines, s):
    return [row("pods on a real API server, preset `mariadb-operator`", ""), row("---", "---:"), *lines]


def versions():
    def first(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout)
        return found.group(0) if found else "?"

    return (f"MariaDB {first('mariadbd', '--version')}, HAProxy {first('haproxy', '-v')} (TCP mode, 2 threads), "
            f"sysbench {first('sysbench', '--version')}, {os.cpu_count()} cores shared by client, servers and proxy, "
            f"{platform.machine()}")


def about(part, s):
    """How a part was measured, in a sentence or two."""
    rounds = f"Median of {s['rounds']} rounds of {s['secs']} s, targets in turn."
    return {
        "workloads": f"{rounds} Direct and HAProxy: everything on the primary. `eventual` and `strong`: a `split` port at this "
                     "consistency level, reads on two replicas, the rest on the primary. `primary`: everything on the primary.",
        "pressure": f"{rounds} {s['clients']:,} clients, of which {s['active']} are active at a time; directly there are only "
                    f"these {s['active']}. Of 100 things that a client does, 60 are point selects as text, 25 prepared ones, 10 "
                    "updates, 5 transactions of 4 statements; every answer is compared with the question. Pointsman has at "
                    f"most {s['pool']} connections to each server, HAProxy one to the primary for each client.",
        "idle": "Connections as the servers count them, the most at any moment; 1 in 10 of the statements is a write.",
        "crowds": f"Beyond the first 8 clients of a proxy, which touch its code. Pointsman: a `split` port, at most {s['pool']} "
                  "connections to a server.",
        "others": f"Median of {s['rounds']} rounds, targets in turn.",
        "former": f"Median of {2 * s['rounds']} rounds of {s['secs']} s (clients over few connections, connections: {s['rounds']}), "
                  "targets in turn; `split` ports at the default level, the default driver.",
        "connects": f"Median of {s['rounds']} rounds, targets in turn. 8 clients connect, log in, run `SELECT 1` and close, "
                    f"{s['connects']:,} times together. Pointsman: a `split` port at `strong`.",
        "levels": f"{rounds} Proxies that differ in `consistency.level` alone.",
        "workers": f"{rounds} Proxies at `strong` that differ in `workers` alone, all on the same two cores.",
        "drivers": f"{rounds} CPU and QPS relative to HAProxy, which sends everything to the primary, in the same round. "
                   "Pointsman: a `split` port, reads on two replicas.",
        "digests": f"{rounds} Proxies that differ in `digests.max` alone, at `eventual`.",
        "tap": f"{rounds} One proxy, at `eventual`.",
        "traces": f"{rounds} Proxies that differ in `[traces]` alone, at `eventual`, with a collector that forgets.",
        "commits": f"{rounds} Figures are of transactions. Proxies that differ in `failover.commit` alone, on MySQL 9.7.",
        "tls": f"{rounds} Proxy, servers and clients have certificates with keys of P-256; TLS 1.3. The port is of mode "
               "`primary`. Logins: a Python client, whose own work is part of both times; each login is connect, TLS, login, "
               "quit. Floods: from one core and one address, which `limits.max_login_errors` blocks by default.",
        "logins": f"{s['tries'] // 2:,} logins of each user, in an order by chance, by one client, with `max_login_errors = 0`. The "
                  "p-value is of the Mann-Whitney test: under 0.01, the times are not those of one distribution. Two unknown "
                  "users say what the test finds where there is nothing to find.",
        "failover": "",
        "changes": "",
        "pods": "",
    }[part]


TABLES = {"workloads": workload_table, "pressure": pressure_table, "idle": idle_table, "crowds": crowds_table, "others": other_table, "levels": levels_table, "workers": workers_table,
          "drivers": drivers_table, "former": former_table, "connects": connects_table,
          "digests": digests_table, "tap": tap_table, "traces": traces_table,
          "commits": commits_table, "tls": tls_table, "logins": logins_table, "failover": failover_table,
          "changes": changes_table, "pods": pods_table}


def publish(part, results, s):
    head = f"`benches/run.sh {part}`: {versions()}. {about(part, s)}".strip()
    text = "\n".join([head, "", *TABLES[part](results, s)])
    print(text + "\n", flush=True)
    path = os.environ.get("PAGE", "docs/benchmarks.md")
    if not path or not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as f:
        readme = f.read()
    begin, end = f"<!-- bench:{part} -->", f"<!-- bench:{part} end -->"
    if begin not in readme or end not in readme:
        print(f"{path} has no {begin} … {end}: left as it is", flush=True)
        return
    head, rest = readme.split(begin, 1)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")
