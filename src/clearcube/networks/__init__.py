"""Networks: ours and the published ones, in torch alone. They know neither xarray nor, but for checkpoints, files."""
