"""What an output says of itself: CF-1.10 attributes of variables, coordinates and the data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import Source, crs_of
from clearcube.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from rasterio.crs import CRS

CONVENTIONS = "CF-1.10"
STANDARD_NAME = "surface_bidirectional_reflectance"
NDVI_STANDARD_NAME = "normalized_difference_vegetation_index"
ANCILLARY = "source days_to_observation"


def annotated(output: xr.Dataset, attrs: dict[str, Any]) -> xr.Dataset:
    """The filled data set (variables as `clearcube.fill` gives them) with CF attributes and these global ones."""
    output = output.assign_attrs({**attrs, "Conventions": CONVENTIONS})
    for name, described in _variable_attrs().items():
        if name in output:
            legend = {key: value for key, value in output[name].attrs.items() if str(key).startswith("flag_")}
            output[name].attrs = legend | described
            if "spatial_ref" in output.coords:
                output[name].attrs["grid_mapping"] = "spatial_ref"
    for name, described in _coordinate_attrs(output).items():
        if name in output.coords:
            output[name].attrs.update(described)
    return output


def in_band_variables(output: xr.Dataset) -> xr.Dataset:
    """The same with one (time, y, x) variable for each band (`red`, `red_std`, ...) in place of `reflectance`.

    Raises
    ------
    InputError : a band has a name that no variable can have, or that another variable has.
    """
    bands = [str(name) for name in output["band"].values]
    variables: dict[str, Any] = {}
    for index, band in enumerate(bands):
        wavelength = float(output["wavelength"].values[index])
        for suffix, whole in (("", "reflectance"), ("_std", "reflectance_std")):
            variable = output[whole].isel(band=index, drop=True)
            variable.attrs = dict(output[whole].attrs, long_name=f"{output[whole].attrs['long_name']}, {band}")
            if np.isfinite(wavelength):
                variable.attrs.update(radiation_wavelength=wavelength, radiation_wavelength_units="nm")
            if not suffix:
                variable.attrs["ancillary_variables"] = f"{band}_std {ANCILLARY}"
            variables[band + suffix] = variable
    rest = output.drop_vars(["reflectance", "reflectance_std", "band", "wavelength"])
    taken = {*map(str, rest.variables), *(f"{band}_std" for band in bands)}
    for band in bands:
        if band in taken or "/" in band:
            raise InputError(
                f"the band '{band}' cannot have a variable of this name in the layout 'bands'; give it another name "
                "with --bands NAME=VARIABLE, or take the layout 'cube'"
            )
    return rest.assign(variables)[[*variables, *rest.data_vars]]


def flag_attrs(flags: Sequence[Source] = tuple(Source)) -> dict[str, Any]:
    """CF flag attributes of `source`."""
    return {
        "flag_values": np.array([int(flag) for flag in flags], dtype=np.uint8),
        "flag_meanings": " ".join(flag.name.lower() for flag in flags),
    }


def _variable_attrs() -> dict[str, dict[str, Any]]:
    return {
        "reflectance": {
            "standard_name": STANDARD_NAME,
            "long_name": "reflectance, observed or filled",
            "units": "1",
            "ancillary_variables": f"reflectance_std {ANCILLARY}",
        },
        "reflectance_std": {
            "standard_name": f"{STANDARD_NAME} standard_error",
            "long_name": "one standard deviation of the error of reflectance against a clear observation",
            "units": "1",
        },
        "source": {
            "standard_name": "status_flag",
            "long_name": "where the value comes from",
            **flag_attrs(),
        },
        "days_to_observation": {
            "long_name": "days to the nearest observation of the pixel on either side",
            "units": "day",
            "comment": "0 where observed, -1 where the pixel is never observed",
        },
        "ndvi": {
            "standard_name": NDVI_STANDARD_NAME,
            "long_name": "normalized difference vegetation index",
            "units": "1",
            "ancillary_variables": f"ndvi_std {ANCILLARY}",
        },
        "ndvi_std": {
            "standard_name": f"{NDVI_STANDARD_NAME} standard_error",
            "long_name": "one standard deviation of the error of NDVI",
            "units": "1",
        },
        "contamination": {
            "long_name": "probability that an observed pixel is cloud, haze or shadow all the same",
            "units": "1",
            "comment": "NaN where nothing was observed",
        },
        "landcover": {"long_name": "land cover class"},
    }


def _units_of(crs: CRS) -> dict[str, str]:
    """The units of the coordinates of a projected CRS, by the names that CF knows."""
    unit = str(crs.linear_units)
    return {"units": "m" if unit.lower() in ("metre", "meter") else unit.replace(" ", "_")}


def _coordinate_attrs(output: xr.Dataset) -> dict[str, dict[str, Any]]:
    attrs = {
        "time": {"standard_name": "time", "long_name": "date (UTC)", "axis": "T"},
        "band": {"long_name": "band (STAC common name)"},
        "wavelength": {"standard_name": "radiation_wavelength", "long_name": "centre wavelength", "units": "nm"},
    }
    crs = crs_of(output)
    if crs is not None and crs.is_geographic:
        attrs["y"] = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}
        attrs["x"] = {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}
    elif crs is not None:
        attrs["y"] = {"standard_name": "projection_y_coordinate", "axis": "Y", **_units_of(crs)}
        attrs["x"] = {"standard_name": "projection_x_coordinate", "axis": "X", **_units_of(crs)}
    else:
        attrs["y"] = {"long_name": "row position", "axis": "Y"}
        attrs["x"] = {"long_name": "column position", "axis": "X"}
    return attrs
