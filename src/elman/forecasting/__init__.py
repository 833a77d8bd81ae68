"""From series to forecasts: windows, the two ways to forecast, intervals, and what costs nothing."""
