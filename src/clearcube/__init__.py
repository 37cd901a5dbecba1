"""Complete cubes from cloudy optical satellite image time series."""
