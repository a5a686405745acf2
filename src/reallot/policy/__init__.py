"""Online decision rules with one method, the same live and in a backtest."""
