import io

import numpy as np
import pytest
import xarray as xr

from clearcube.errors import InputError
from clearcube.readers.classic_netcdf import needed_bytes
from clearcube.readers.store_files import open_store


def write(path, form, unlimited):
    rng = np.random.default_rng(0)
    dims = ("time", "y", "x")
    content = xr.Dataset(
        {"B02": (dims, rng.integers(0, 9, (3, 5, 7)).astype("i2")), "red": (dims, rng.random((3, 5, 7)).astype("f4"))},
        {"time": ("time", np.arange(3.0), {"units": "days since 2020-01-01"}), "x": np.arange(7, dtype="i4")},
        {"title": "odd"},
    )
    content.to_netcdf(path, format=form, engine="netcdf4", unlimited_dims=unlimited)
    return path


@pytest.mark.parametrize("unlimited", [(), ("time",)])
@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_a_file_that_lacks_its_last_bytes_is_refused(tmp_path, form, unlimited):
    path = write(tmp_path / "whole.nc", form, unlimited)
    whole = path.read_bytes()
    needed = needed_bytes(io.BytesIO(whole))
    assert len(whole) - 4 < needed <= len(whole)
    open_store(str(path)).close()
    for kept in (needed - 1, needed - 100, 300, 30):
        cut = tmp_path / f"cut{kept}.nc"
        cut.write_bytes(whole[:kept])
        with pytest.raises(InputError, match="cut off"):
            open_store(str(cut))


def test_one_variable_with_records_is_not_padded(tmp_path):
    path = tmp_path / "one.nc"
    values = xr.Dataset({"B02": (("time", "y"), np.arange(9, dtype="i1").reshape(3, 3))})
    values.to_netcdf(path, format="NETCDF3_CLASSIC", engine="netcdf4", unlimited_dims=("time",))
    assert path.stat().st_size - 4 < needed_bytes(io.BytesIO(path.read_bytes())) <= path.stat().st_size
