"""Alert rules for Prometheus and a board for Grafana, over the metrics of an engine."""

from __future__ import annotations

from typing import Any

RULES = """\
# Alert rules for reallot. Load with rule_files in prometheus.yml; tests: promtool test rules.
groups:
  - name: reallot
    rules:
      - alert: ReallotAbsent
        expr: absent(reallot_build_info)
        for: 5m
        labels: {severity: critical}
        annotations:
          summary: No engine is scraped
          description: No metric of reallot has been scraped for five minutes. See the process, and the scrape's token.
      - alert: ReallotNoCycle
        expr: time() - reallot_last_cycle_timestamp_seconds > 3 * reallot_cycle_interval_seconds + 60
        for: 1m
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.instance }} makes no cycles"
          description: "The last cycle began {{ $value | humanizeDuration }} ago. See: reallot health, reallot doctor."
      - alert: ReallotHalted
        expr: reallot_halted == 1 unless reallot_paused == 1
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.instance }} moves nothing until a person resumes"
          description: "Look at the shares first, then: reallot resume."
      - alert: ReallotShareDiverges
        expr: >-
          (abs(reallot_protocol_share_ratio{kind="actual"} - ignoring(kind)
          reallot_protocol_share_ratio{kind="committed"}) > 0.005)
          and on(instance) reallot_unsettled_calls == 0
        for: 3m
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.protocol }} on {{ $labels.instance }} has another share than was confirmed"
          description: "They differ by {{ $value | humanizePercentage }}. Somebody else may change it."
      - alert: ReallotProtocolSilent
        expr: reallot_protocol_up == 0
        for: 15m
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.protocol }} on {{ $labels.instance }} does not answer"
          description: Its share stays as it is, and its last value is carried forward.
      - alert: ReallotPlanWaits
        expr: reallot_plan_waiting == 1
        for: 30m
        labels: {severity: info}
        annotations:
          summary: "A plan on {{ $labels.instance }} waits for a person"
          description: "See the page, or: reallot status."
      - alert: ReallotRollbacks
        expr: sum by (instance) (increase(reallot_operations_total{outcome="rolled_back"}[6h])) >= 2
        labels: {severity: warning}
        annotations:
          summary: "Moves on {{ $labels.instance }} were put back {{ $value | humanize }} times in six hours"
          description: A protocol refuses shares, or answers with others than it took.
"""

SCHEMA = 39
"""Version of Grafana's board format that is written."""


def board() -> dict[str, Any]:
    """A board for Grafana: one or many engines, chosen by instance and protocol."""
    here, each = '{instance=~"$instance"}', '{instance=~"$instance",protocol=~"$protocol"}'
    panels: list[dict[str, Any]] = []

    def panel(kind: str, title: str, width: int, height: int, *queries: tuple[str, str], **more: Any) -> None:
        left = sum(p["gridPos"]["w"] for p in panels if p["gridPos"]["y"] == row[0])
        if left + width > 24:
            row[0] += panels[-1]["gridPos"]["h"]
            left = 0
        targets = [
            {"refId": chr(65 + i), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
            for i, (expr, legend) in enumerate(queries)
        ]
        place = {"x": left, "y": row[0], "w": width, "h": height}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": kind,
                "title": title,
                "gridPos": place,
                "datasource": SOURCE,
                "targets": targets,
                "fieldConfig": {"defaults": more.get("defaults", {}), "overrides": []},
                "options": more.get("options", {}),
            }
        )

    row = [0]
    usd, share = {"unit": "currencyUSD", "decimals": 4}, {"unit": "percentunit", "min": 0, "max": 1}
    one = "{{instance}}"
    panel("stat", "USD per hour", 4, 4, (f"reallot_earnings_usd_per_hour{here}", one), defaults=usd)
    earned = f"increase(reallot_earned_usd_total{here}[24h]) - increase(reallot_lost_usd_total{here}[24h])"
    panel("stat", "Earned in 24 h", 4, 4, (earned, one), defaults=usd)
    net = f"{earned} - increase(reallot_move_cost_usd_total{here}[24h])"
    panel("stat", "Net of moving in 24 h", 4, 4, (net, one), defaults=usd)
    moves = 'sum by (instance) (increase(reallot_operations_total{instance=~"$instance",outcome="committed"}[24h]))'
    panel("stat", "Moves in 24 h", 4, 4, (moves, one), defaults={"decimals": 0})
    age = f"time() - reallot_last_cycle_timestamp_seconds{here}"
    panel("stat", "Age of the last cycle", 4, 4, (age, one), defaults={"unit": "s", "decimals": 0})
    panel("stat", "Halted", 4, 4, (f"reallot_halted{here}", one), defaults={"mappings": HALTED})
    stacked = {"custom": {"stacking": {"mode": "normal"}, "fillOpacity": 60, "lineWidth": 1}, **share}
    for kind in ("actual", "planned"):
        query = f'reallot_protocol_share_ratio{{instance=~"$instance",protocol=~"$protocol",kind="{kind}"}}'
        panel("timeseries", f"Shares, {kind}", 12, 8, (query, "{{instance}} {{protocol}}"), defaults=stacked)
    earns = f"reallot_protocol_earnings_usd_per_hour{each}"
    panel("timeseries", "Earnings by protocol", 16, 8, (earns, "{{instance}} {{protocol}}"), defaults=usd)
    gain = f"reallot_plan_improvement_usd_per_hour{here}"
    panel("timeseries", "What the last plan would bring", 8, 8, (gain, one), defaults=usd)
    ages = f"reallot_protocol_value_age_seconds{each}"
    panel("timeseries", "Age of values", 12, 7, (ages, "{{instance}} {{protocol}}"), defaults={"unit": "s"})
    slow = "histogram_quantile(0.95, sum by ({}, le) (rate(reallot_{}_duration_seconds_bucket{}[15m])))"
    cycles, polls = slow.format("instance", "cycle", here), slow.format("instance, protocol", "poll", each)
    panel("timeseries", "Cycle, 95th percentile", 6, 7, (cycles, one), defaults={"unit": "s"})
    panel("timeseries", "Poll, 95th percentile", 6, 7, (polls, "{{instance}} {{protocol}}"), defaults={"unit": "s"})
    guards = f"sum by (instance, guard) (increase(reallot_blocked_plans_total{here}[1h]))"
    panel("timeseries", "Plans held back, by guard", 8, 7, (guards, "{{instance}} {{guard}}"))
    clients = f"sum by (instance) (reallot_stream_clients{here})"
    dropped = f"increase(reallot_stream_clients_dismissed_total{here}[1h])"
    panel("timeseries", "Live streams", 8, 7, (clients, "{{instance}} open"), (dropped, "{{instance}} dismissed"))
    sent = f"sum by (instance, target, outcome) (increase(reallot_notifications_total{here}[1h]))"
    panel("timeseries", "Messages", 8, 7, (sent, "{{instance}} {{target}} {{outcome}}"))
    moved = 'increase(reallot_operations_total{instance=~"$instance"}[2m]) > 0'
    return {
        "title": "reallot",
        "uid": "reallot",
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "tags": ["reallot"],
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": [_source(), _many("instance", "reallot_build_info"), _many("protocol", PROTOCOLS)]},
        "annotations": {
            "list": [
                {
                    "name": "operations",
                    "datasource": SOURCE,
                    "enable": True,
                    "iconColor": "blue",
                    "expr": moved,
                    "titleFormat": "{{kind}} {{outcome}}",
                }
            ]
        },
        "panels": panels,
    }


SOURCE = {"type": "prometheus", "uid": "${datasource}"}
PROTOCOLS = 'reallot_protocol_up{instance=~"$instance"}'
HALTED = [{"type": "value", "options": {"0": {"text": "no"}, "1": {"text": "HALTED", "color": "red"}}}]


def _source() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _many(name: str, metric: str) -> dict[str, Any]:
    """A choice of several, all of them at first."""
    query = f"label_values({metric}, {name})"
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }
