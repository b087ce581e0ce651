"""Manifests that the tests share."""
# ruff: noqa: E501 (the example stands here as in the design)

CREDIT = """\
portal: inventory/v1
name: credit                 # written to managed_by
team: risk
sources:
  - slug: bureau-feed
    name: Credit bureau feed
    kind: api
    latency: batch           # batch | micro_batch | real_time
    expected_lag: 24h
    stability: evolving      # stable | evolving | fragile
    volatility: low
  - {slug: ledger, name: Ledger, kind: table, latency: real_time, stability: stable, volatility: medium, fed_by: bureau-feed}
models:
  - slug: credit
    name: credit
    owner: alice             # user names must exist
    deputy: bob
    purpose: Probability that a consumer loan defaults within 12 months.
    limitations: Not for business loans.
    risk: {level: high, reason: Automated refusal of credit.}
    task: binary
    output: {score: probability, classes: [repaid, default], positive: default, range: [0, 1]}
    tags: {domain: lending}
    features:
      - {name: income, dtype: number, source: ledger, min: 0, rel_tolerance: 1e-6}
      - {name: region, dtype: category, segment: true, categories: [EU, UK, US]}
      - {name: employer, dtype: text, required: false, privacy: hash}
      - {name: channel, kind: context, dtype: category, segment: true}
    endpoints:
      - slug: credit-decision
        environment: production
        kind: online
        location: https://scoring.example.org/credit
        alias: champion      # MLflow alias that mirrors the primary arm
        slo: {p95_ms: 120, p99_ms: 300, timeout_ms: 500}
        consumers:
          - {name: loan-desk, kind: human_process, output: probability, use: assisted, criticality: high, contact: loans@example.org}
"""


def small(body: str, *, name: str = "credit", team: str = "risk") -> str:
    """A manifest with a head."""
    return f"portal: inventory/v1\nname: {name}\nteam: {team}\n{body}"
