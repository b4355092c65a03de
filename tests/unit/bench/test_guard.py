"""What the guard says of a change."""

from __future__ import annotations

from bench.guard import known_costs, report


def test_a_change_beyond_noise_is_marked() -> None:
    found = {"embedded": {"services": 2.0, "postgresql": 1.0, "sum": 3.0, "new": 1.0}}
    baseline = {"embedded": {"services": 1.0, "postgresql": 1.05, "sum": 3.0}}
    told = dict(
        zip(("services", "postgresql", "sum", "new"), report(found, baseline).splitlines(), strict=True)
    )
    assert told["services"].endswith("+100.0%  <<<")
    assert told["postgresql"].endswith("-4.8%")
    assert told["sum"].endswith("+0.0%")
    assert told["new"].endswith("no baseline")


def test_the_baseline_knows_both_systems() -> None:
    assert {name: "sum" in parts for name, parts in known_costs().items()} == {
        "embedded": True,
        "rabbitmq": True,
    }
