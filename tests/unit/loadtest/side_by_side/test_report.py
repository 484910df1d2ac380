"""The page: failures are shown, medians and rates are where they belong, and the plot can be drawn."""

from pathlib import Path

from loadtest.side_by_side.chat import DIRECT, LITELLM_PROXY, OURS, Chat
from loadtest.side_by_side.encoders import Result
from loadtest.side_by_side.plot import draw
from loadtest.side_by_side.report import Report
from loadtest.side_by_side.running import Latency, Saturated

RESULTS = [
    Result(
        "ours", True, True, [Saturated(100.0, 5), Saturated(200.0, 7), Saturated(150.0, 6)], peak_memory_bytes=2**20
    ),
    Result("theirs", False, False, error="InstallError: no such package"),
]
RESULTS[0].latency[5.0] = Latency(3, 9)
CHAT = Chat({1: {DIRECT: [[1.0], [1.0]], OURS: [[2.0], [3.0]], LITELLM_PROXY: [[9.0], [11.0]]}})
REPORT = Report({"cores": 2, "commit": "abc"}, RESULTS, CHAT)


def test_page_has_figures_and_failures() -> None:
    page = REPORT.as_markdown("Side by side")
    cells = "| **ours** | yes | 150 (100 to 200) | 6 | 3, 9 ms | does not keep up | does not keep up | 1 MiB |"
    assert cells in page
    assert "| theirs | no | failed, see below |" in page
    assert "theirs: **InstallError: no such package**" in page
    assert "* commit: abc" in page


def test_what_is_added_is_paired_with_the_direct_call_of_the_same_round() -> None:
    assert CHAT.added_ms(1, OURS, 0.5) == [1, 2]
    ratio = next(one for one in CHAT.comparisons() if one.name.startswith("p50"))
    assert (ratio.ratios, ratio.verdict(2).value) == ([1 / 8, 2 / 10], "met")


def test_missing_proxy_is_reported() -> None:
    page = Report({"cores": 2}, RESULTS, Chat({1: {DIRECT: [[1.0]], OURS: [[2.0]]}}, "no such package")).as_markdown(
        "x"
    )
    assert "Missing: **no such package**" in page


def test_plot_is_drawn_without_those_who_failed(tmp_path: Path) -> None:
    draw(RESULTS, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
