"""Forecasts of vegetation greenness (NDVI) from a context that may be filled or not."""
