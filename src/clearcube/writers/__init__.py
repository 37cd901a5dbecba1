"""Writers: the stage in which an output grows, and the finished Zarr, NetCDF and rasters."""
