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

RELATIVE_WIDTH = 0.06
"""Full width at half maximum of a band, as a share of its centre wavelength; real bands lie around it."""
WIDTHS = (15.0, 180.0)
"""Narrowest and widest band, nm."""
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


def band_responses(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian responses of bands of these centres, (B, wavelengths of the table); rows sum to 1."""
    grid = spectral_table()[0]
    sigma = np.clip(RELATIVE_WIDTH * wavelengths, *WIDTHS) / 2.355
    response = np.exp(-0.5 * ((grid - wavelengths[:, None]) / sigma[:, None]) ** 2)
    return np.asarray(response / response.sum(axis=1, keepdims=True))


def band_optics(bands: Sequence[Band]) -> BandOptics:
    """Optics of the bands. Each band's numbers depend on its own wavelength alone.

    Raises
    ------
    InputError : a wavelength is unknown or outside `OPTICAL_NM`.

    References
    ----------
    Ångström (1929) for the power law of aerosol; Lekner & Dorf (1988) for the darkening of wet soil.
    """
    for band in bands:
        if not OPTICAL_NM[0] <= band.wavelength <= OPTICAL_NM[1]:
            raise InputError(
                f"cannot simulate band '{band.name}' with centre wavelength {band.wavelength} nm; "
                f"give its wavelength, between {OPTICAL_NM[0]:.0f} and {OPTICAL_NM[1]:.0f} nm"
            )
    return _optics(tuple(band.wavelength for band in bands))


@cache
def _optics(centres: tuple[float, ...]) -> BandOptics:
    """Optics by centre wavelength."""
    nm = np.array(centres, dtype=np.float64)
    response = band_responses(nm)
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
