"""The queries and legends of a dashboard as Grafana fills them in; the drawing itself is an end-to-end test."""

from tools.dashboard_picture import filled, named


def test_variables_stand_for_everything_and_the_rate_interval_for_the_one_given() -> None:
    query = 'rate(routerdc_requests_total{job=~"$job", instance=~"$instance"}[$__rate_interval])'
    assert filled(query, "20s") == 'rate(routerdc_requests_total{job=~".*", instance=~".*"}[20s])'


def test_a_legend_names_the_labels_of_its_series() -> None:
    assert named("{{llm}} {{ state }}", {"llm": "alpha", "state": "healthy"}) == "alpha healthy"
    assert named("p99", {"llm": "alpha"}) == "p99"
    assert named("{{llm}}", {}) == ""
