"""Training of the networks: samples with artificial gaps, losses, one step, the loop. Knows no file but its own."""
