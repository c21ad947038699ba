"""The results as Markdown, on standard output and between the markers in README.md."""
import os
import platform
import re
import statistics
import subprocess

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
TITLES = {"direct": "direct", "haproxy": "HAProxy", "pointsman": "Pointsman"}


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
    pairs = zip(rounds[name], rounds[base])
    return median([a[key] / b[key] for a, b in pairs if b[key]])


def workload_table(results, names):
    proxies = [n for n in names if n != "direct"]
    lines = [row("workload", *(f"{TITLES[n]}: QPS" for n in names), *(f"{TITLES[n]}: CPU per query, µs" for n in proxies),
                 "CPU, Pointsman to HAProxy"),
             row("---", *["---:"] * (len(names) + len(proxies) + 1))]
    for workload in results["workloads"]:
        rounds = workload["rounds"]
        lines.append(row(workload["name"], *(number(median(r["qps"] for r in rounds[n]), 0) for n in names),
                         *(number(median(r["cpu"] for r in rounds[n]), 1) for n in proxies),
                         number(relative(rounds, "pointsman", "haproxy", "cpu"))))
    return lines


def other_table(results, names):
    s = results["settings"]
    lines = [row("", *(TITLES[n] for n in names)), row("---", *["---:"] * len(names))]
    for key, text in (("result", f"a result of {s['mib']:,} MiB"), ("load", f"LOAD DATA LOCAL of {s['mib']:,} MiB")):
        rounds = results[key]
        lines.append(row(f"{text}, MiB/s", *(number(median(r["speed"] for r in rounds[n]), 0) for n in names)))
        if "haproxy" in names:
            lines.append(row("… relative to HAProxy",
                             *(number(relative(rounds, n, "haproxy", "speed")) for n in names)))
        growth = [None if n == "direct" else max(r["growth"] for r in rounds[n]) for n in names]
        lines.append(row("… the proxy's memory grows by, MiB", *(number(g, 1) for g in growth)))
    lines.append(row(f"memory per idle client ({s['idle']:,} of them), KiB",
                     *(number(results["idle"].get(n), 1) for n in names)))
    lines.append(row(f"{s['connects']:,} × connect, `select 1`, close, 8 clients, s",
                     *(number(results["connects"][n]) for n in names)))
    return lines


def failover_table(failover):
    def worst(kind, key):
        return number(max((r[key] for r in failover[kind]), default=None), 0)

    lines = [row("change of primary through Pointsman, worst of each", "planned switchover", "primary killed"),
             row("---", "---:", "---:")]
    waits = []
    for kind in ("switchover", "kill"):
        seen = [r["first_write_ms"] for r in failover[kind]]
        waits.append("never" if None in seen else number(max(seen), 0))
    lines.append(row("first write acknowledged after the new primary is writable, ms", *waits))
    for key, text in (("idle_lost", "idle sessions lost, of 50"), ("writes_lost", "acknowledged writes lost"),
                      ("run_twice", "statements run twice"), ("errors", "errors seen by 4 writers"),
                      ("connections_lost", "connections lost by 4 writers")):
        lines.append(row(text, worst("switchover", key), worst("kill", key)))
    return lines


def versions():
    def first(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout)
        return found.group(0) if found else "?"

    return (f"MariaDB {first('mariadbd', '--version')}, HAProxy {first('haproxy', '-v')} (TCP mode, 2 threads), "
            f"sysbench {first('sysbench', '--version')}, {os.cpu_count()} cores shared by client, servers and proxy, "
            f"{platform.machine()}")


def publish(results):
    names = [n for n in TITLES if n in results["connects"]]
    s = results["settings"]
    lines = [f"Measured by `make bench`: {versions()}; median of {s['rounds']} rounds of {s['secs']} s, targets in turn.", ""]
    lines += workload_table(results, names) + [""] + other_table(results, names)
    if "failover" in results:
        lines += [""] + failover_table(results["failover"])
    text = "\n".join(lines)
    print(text, flush=True)
    path = os.environ.get("README", "README.md")
    if not path or not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as f:
        readme = f.read()
    if BEGIN not in readme or END not in readme:
        print(f"{path} has no {BEGIN} … {END}: left as it is", flush=True)
        return
    head, rest = readme.split(BEGIN, 1)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}")
