"""Reflectance spectra of surfaces and clouds, seen through the bands of any optical sensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import OPTICAL_NM
from clearcube.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.cube import Band

WIDTHS = {
    **{("coastal", 443.0): 20.0, ("blue", 490.0): 65.0, ("green", 560.0): 35.0, ("red", 665.0): 30.0},
    **{("rededge071", 705.0): 15.0, ("rededge075", 740.0): 15.0, ("rededge078", 783.0): 20.0, ("nir", 842.0): 106.0},
    **{("nir08", 865.0): 21.0, ("nir09", 945.0): 20.0, ("swir16", 1610.0): 91.0, ("swir22", 2190.0): 175.0},
    **{("blue", 482.0): 60.0, ("green", 561.5): 57.0, ("red", 654.5): 37.0},
    **{("swir16", 1608.5): 85.0, ("swir22", 2200.5): 187.0},
    **{("green531", 531.0): 36.0, ("green", 565.0): 36.0, ("yellow", 610.0): 20.0, ("nir", 865.0): 40.0},
}
"""Name and centre of a band -> its full width at half maximum, nm: Sentinel-2A's MSI, Landsat 8's OLI and PlanetScope's
SuperDove, by their operators. Where two sensors have a band of one name and centre it is the first one's."""
RELATIVE_WIDTH = 0.06
"""Full width of any other band as a share of its centre wavelength; those of `WIDTHS` lie around it."""
OTHER_WIDTHS = (15.0, 180.0)
"""Narrowest and widest of these, nm."""
GAIN_NODES = np.array([450.0, 550.0, 670.0, 860.0, 1350.0, 2200.0])
"""Wavelengths between which disturbances that are smooth over the spectrum are drawn, nm."""
GAIN_WIDTH = 0.24
"""Width of the Gaussians around `GAIN_NODES`, in units of the logarithm of wavelength."""


@dataclass(frozen=True)
class BandOptics:
    """What the simulator knows of each of B bands; arrays are (B,) float32 unless said otherwise.

    spectra : name of a spectrum -> its reflectance in the bands.
    path : path reflectance that one unit of aerosol optical thickness adds; loss : share of reflectance it takes away.
    sky : share of the light in a cloud's shadow that still comes from the sky.
    wetting : share of a soil's reflectance that full wetness takes away.
    leaves : 1 where more layers of leaves go on brightening the canopy (near infrared), 0 where they do not.
    anisotropy : strength of view-angle effects relative to the visible.
    grain : (B, 2), how much of the two kinds of fine detail a band shows, that of the ground and that of leaves.
    blur : (B,), width of the point spread relative to that in the visible.
    gain_basis : (B, 6), smooth functions of wavelength whose rows have length 1.
    """

    spectra: dict[str, NDArray[np.float32]]
    path: NDArray[np.float32]
    loss: NDArray[np.float32]
    sky: NDArray[np.float32]
    wetting: NDArray[np.float32]
    leaves: NDArray[np.float32]
    anisotropy: NDArray[np.float32]
    grain: NDArray[np.float32]
    blur: NDArray[np.float32]
    gain_basis: NDArray[np.float32]


@cache
def spectral_table() -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Wavelengths, nm, ascending, and the reflectance of each named spectrum at them (`scripts/make_spectra.py`)."""
    text = files("clearcube.simulation").joinpath("spectra.csv").read_text(encoding="utf-8").splitlines()
    columns = np.loadtxt(text[1:], delimiter=",").T
    names = text[0].split(",")[1:]
    return columns[0], dict(zip(names, columns[1:], strict=True))


def band_responses(bands: Sequence[Band]) -> NDArray[np.float64]:
    """Responses of the bands, (B, wavelengths of the table): Gaussians of their widths; rows sum to 1."""
    grid = spectral_table()[0][:, None]
    centre = np.array([band.wavelength for band in bands], dtype=np.float64)
    usual = np.clip(RELATIVE_WIDTH * centre, *OTHER_WIDTHS)
    width = [WIDTHS.get((band.name, band.wavelength), other) for band, other in zip(bands, usual, strict=True)]
    response = np.exp(-0.5 * ((grid - centre) / (np.array(width) / 2.355)) ** 2).T
    return np.asarray(response / response.sum(axis=1, keepdims=True))


def band_optics(bands: Sequence[Band]) -> BandOptics:
    """Optics of the bands. Each band's numbers depend on its own name and wavelength alone.

    Raises
    ------
    InputError : a wavelength is unknown or outside `OPTICAL_NM`.

    References
    ----------
    Ångström (1929) for the power law of aerosol; Lekner & Dorf (1988) for the darkening of wet soil.
    """
    for band in bands:
        if not band.optical:
            raise InputError(
                f"cannot simulate band '{band.name}' with centre wavelength {band.wavelength} nm; "
                f"give its wavelength, between {OPTICAL_NM[0]:.0f} and {OPTICAL_NM[1]:.0f} nm"
            )
    return _optics(tuple(bands))


@cache
def _optics(bands: tuple[Band, ...]) -> BandOptics:
    nm = np.array([band.wavelength for band in bands], dtype=np.float64)
    response = band_responses(bands)
    red_edge = 1 / (1 + np.exp(-(nm - 725) / 12))
    leaves = red_edge / (1 + np.exp((nm - 1330) / 25))
    basis = np.exp(-0.5 * (np.log(nm[:, None] / GAIN_NODES) / GAIN_WIDTH) ** 2)
    return BandOptics(
        spectra={
            name: (response * curve).sum(axis=1).astype(np.float32) for name, curve in spectral_table()[1].items()
        },
        path=_single(0.085 * (nm / 550) ** -1.25),
        loss=_single(0.22 * (nm / 550) ** -0.9),
        sky=_single(0.04 + 0.30 * (nm / 450) ** -2.2),
        wetting=_single(np.interp(nm, [400, 900, 1400, 2400], [0.46, 0.42, 0.52, 0.62])),
        leaves=_single(leaves),
        anisotropy=_single(1 - 0.3 * red_edge + 0.1 * (nm > 1300)),
        grain=_single(np.stack([1 - 0.9 * leaves, 0.5 * leaves], axis=1)),
        blur=_single(1 + 0.08 * red_edge),
        gain_basis=_single(basis / np.sqrt((basis**2).sum(axis=1, keepdims=True))),
    )


def _single(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)
