"""Training of the networks: samples with artificial gaps, losses, one step, the loop.

Opens cubes of any format through `readers`.
"""
