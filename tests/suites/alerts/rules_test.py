#!/usr/bin/env python3
"""Writes a test for promtool in which every alert of a file of rules fires, and none of them while all is well.
usage: rules_test.py RULES FOLDER   prints the name of the test file"""
import os
import re
import sys

JOB = 'job="proxy", namespace="databases"'
POD = f'{JOB}, pod="proxy-0"'
# Alert: the series that make it fire, as (name with further labels, values over the minutes), and when it must have
# fired. The values are promtool's notation: start+step x times.
FIRES = {
    "PointsmanDown": ([("up", "0x10")], "5m"),
    "PointsmanNoPrimary": ([("pointsman_writer_known", "0x10")], "5m"),
    "PointsmanPrimariesDiffer": ([('pointsman_server_writer{server="db-0"}', "1x10"),
                                  ('pointsman_server_writer{server="db-1"}', "1x10")], "5m"),
    "PointsmanWritesInQuestion": ([("pointsman_writes_in_question_total", "0 0 125x30")], "10m"),
    "PointsmanPrimaryUnsettled": ([("pointsman_writer_changes_total", "0+1x30")], "20m"),
    "PointsmanServerDown": ([('pointsman_server_up{server="db-1"}', "0x10")], "5m"),
    "PointsmanProbesRefused": ([('pointsman_server_barred{server="db-1"}', "1x10")], "5m"),
    "PointsmanNoReplica": ([('pointsman_server_serves_reads{server="db-1"}', "0x20")], "10m"),
    "PointsmanWritesGivenUp": ([('pointsman_disruptions_total{effect="state_lost"}', "0+1x10")], "5m"),
    "PointsmanFalseReports": ([('pointsman_false_reports_total{what="flag"}', "0+1x10")], "5m"),
    "PointsmanServerRefusesConnections": ([('pointsman_server_believed_connections{server="db-0"}', "18x10")], "5m"),
    "PointsmanServersFull": ([("pointsman_statements_waiting_for_connection", "3x10")], "5m"),
    "PointsmanAcceptErrors": ([("pointsman_accept_errors_total", "0+1x10")], "5m"),
    "PointsmanUserPassesReadOnly": ([('pointsman_user_passes_read_only{user="app"}', "1x20")], "10m"),
    "PointsmanAuditEventsLost": ([('pointsman_audit_events_total{outcome="lost"}', "0 0 0 2x10")], "5m"),
    "PointsmanConfigStale": ([("pointsman_config_stale", "1x10")], "5m"),
    # Time begins at 0: this one ends in ten days.
    "PointsmanCertificateEnds": ([('pointsman_tls_certificate_not_after_seconds{listener="rw"}', f"{10 * 86400}x30")], "15m"),
    "PointsmanCertificateEnded": ([('pointsman_tls_certificate_not_after_seconds{listener="rw"}', "1x10")], "5m"),
    "PointsmanKubernetesAway": ([('pointsman_kubernetes_connected{resource="pods"}', "0x20")], "10m"),
}
WELL = [("up", "1x60"), ("pointsman_writer_known", "1x60"), ('pointsman_server_writer{server="db-0"}', "1x60"),
        ('pointsman_server_writer{server="db-1"}', "0x60"), ("pointsman_writer_changes_total", "1x60"),
        ('pointsman_server_up{server="db-0"}', "1x60"), ('pointsman_server_up{server="db-1"}', "1x60"),
        ('pointsman_server_barred{server="db-0"}', "0x60"),
        ('pointsman_server_serves_reads{server="db-0"}', "0x60"), ('pointsman_server_serves_reads{server="db-1"}', "1x60"),
        ('pointsman_disruptions_total{effect="state_lost"}', "3x60"), ('pointsman_disruptions_total{effect="moved"}', "0+9x60"),
        ('pointsman_false_reports_total{what="flag"}', "2x60"),
        ("pointsman_statements_waiting_for_connection", "0x60"), ("pointsman_accept_errors_total", "0x60"),
        ('pointsman_user_passes_read_only{user="app"}', "0x60"), ("pointsman_config_stale", "0x60"),
        ('pointsman_audit_events_total{outcome="written"}', "0+9x60"), ('pointsman_audit_events_total{outcome="lost"}', "2x60"),
        ('pointsman_tls_certificate_not_after_seconds{listener="rw"}', f"{90 * 86400}x60"),
        ('pointsman_kubernetes_connected{resource="pods"}', "1x60")]


def series(all_of):
    lines = []
    for name, values in all_of:
        name, _, labels = name.rstrip("}").partition("{")
        labels = f"{POD}, {labels}" if labels else POD
        lines.append(f"      - series: '{name}{{{labels}}}'\n        values: '{values}'")
    return "\n".join(lines)


def main(rules, folder):
    with open(rules, encoding="utf-8") as f:
        text = f.read()
    # The chart puts the release's labels here.
    text = text.replace("{[[job]]}", f"{{{JOB}}}").replace("[[job]]", JOB)
    alerts = re.findall(r"^- alert: (\w+)", text, re.M)
    if missing := set(alerts) ^ set(FIRES):
        sys.exit(f"without a test, or without a rule: {', '.join(sorted(missing))}")
    group = "groups:\n- name: pointsman\n  rules:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    with open(os.path.join(folder, "rules.yaml"), "w", encoding="utf-8") as f:
        f.write(group)
    tests = []
    for alert in alerts:
        made, at = FIRES[alert]
        # How many fire: the labels are those of the rule, which this does not repeat.
        tests.append(f"  - name: {alert} fires\n    interval: 1m\n    input_series:\n{series(made)}\n    promql_expr_test:\n"
                     f"      - expr: count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}}) > bool 0\n        eval_time: {at}\n"
                     "        exp_samples: [{value: 1}]")
    tests.append(f"  - name: nothing fires while all is well\n    interval: 1m\n    input_series:\n{series(WELL)}\n    promql_expr_test:\n"
                 + "\n".join(f"      - expr: count(ALERTS) or vector(0)\n        eval_time: {at}\n        exp_samples: [{{value: 0}}]"
                             for at in ("5m", "30m", "59m")))
    path = os.path.join(folder, "rules_test.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("rule_files: [rules.yaml]\nevaluation_interval: 30s\ntests:\n" + "\n".join(tests) + "\n")
    print(path)


main(*sys.argv[1:])
