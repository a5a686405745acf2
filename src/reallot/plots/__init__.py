"""Figures of plans and of what happened over time, each a matplotlib Figure; needs the extra `plot`.

- `plan_figure`: shares today and planned, with the reasons
- `frontier_figure`: what every turnover limit would earn
- `sensitivity_figure`: ranges of rates and limits within which a plan stays
- `prices_figure`: prices of limits over time
- `shares_figure`: shares over time as areas, moves marked
- `net_figure`: what policies earned ahead of never moving, with the optimum in hindsight
- `reliability_figure`: confidence that was stated against what happened
- `backtest_figure`: a backtest on one page
- `save`: any of them to a file

Lines differ by dashes and markers, areas by hatches and lightness, so that a figure can be read in grey. A notebook
shows a figure that a cell ends with. All of them raise InvalidInput where matplotlib is not installed.
"""

from .frontier import frontier_figure
from .net import backtest_figure, net_figure
from .paper import save
from .plan import plan_figure
from .plan_ranges import sensitivity_figure
from .prices import prices_figure
from .reliability import reliability_figure
from .shares import shares_figure

__all__ = [
    "backtest_figure",
    "frontier_figure",
    "net_figure",
    "plan_figure",
    "prices_figure",
    "reliability_figure",
    "save",
    "sensitivity_figure",
    "shares_figure",
]
