"""How good a fill is: statistics of each pixel, their sums and weights, and the formulae of the scores."""
