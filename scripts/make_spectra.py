"""Write the table of reflectance spectra that the simulator mixes its scenes from.

Every spectrum is a short formula or a few nodes that follow shapes described in the literature: the absorption of
chlorophyll and carotenoids with its red edge, the near-infrared plateau of leaves, liquid water at 970, 1200, 1450
and 1940 nm with a continuum that rises to 2400 nm (Jacquemoud & Baret 1990), cellulose at 2100 nm in dry matter
(Elvidge 1990), iron oxide below 600 nm and clay at 2200 nm in soils (Ben-Dor 2002), ice at 1030, 1500 and 2000 nm in
snow (Warren & Wiscombe 1980). No measured spectrum is used.

Run: `python scripts/make_spectra.py`. It writes `src/clearcube/simulation/spectra.csv`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

WAVELENGTH = np.arange(400.0, 2401.0, 10.0)
TABLE = Path(__file__).parents[1] / "src" / "clearcube" / "simulation" / "spectra.csv"


def peak(centre: float, width: float) -> np.ndarray:
    """Gaussian of height 1."""
    return np.exp(-0.5 * ((WAVELENGTH - centre) / width) ** 2)


def nodes(**values: float) -> np.ndarray:
    """Smooth curve through nodes named by wavelength, `w400=0.1`."""
    wavelengths = [float(name[1:]) for name in values]
    return gaussian_filter1d(np.interp(WAVELENGTH, wavelengths, list(values.values())), 3.0)


CHLOROPHYLL = np.minimum(
    1.0,
    0.95 * peak(435, 35) + 0.75 * peak(485, 25) + 0.62 * peak(560, 60) + 0.55 * peak(630, 30) + 0.75 * peak(678, 19),
) * (WAVELENGTH < 800)
LIQUID_WATER = (
    0.10 * peak(970, 28)
    + 0.18 * peak(1190, 45)
    + 1.2 * peak(1450, 65)
    + 2.0 * peak(1940, 90)
    + np.interp(WAVELENGTH, [400, 900, 1300, 1500, 1700, 1850, 2200, 2400], [0, 0, 0.1, 0.65, 0.65, 0.9, 1.25, 2.0])
)


def canopy(plateau: float, chlorophyll: float, water: float) -> np.ndarray:
    """Dense green canopy: plateau reflectance of the near infrared, absorption by pigments and water."""
    return plateau * np.exp(-chlorophyll * CHLOROPHYLL - water * LIQUID_WATER)


def soil(brightness: float, redness: float, moisture: float, clay: float) -> np.ndarray:
    """Bare soil: rises to 1800 nm, steeper below 600 nm with iron oxide; water at 1450 and 1940, clay at 2200 nm."""
    rise = np.interp(WAVELENGTH, [400, 600, 850, 1300, 1800, 2400], [0.28, 0.52, 0.72, 0.93, 1.05, 1.0])
    iron = 1 / (1 + np.exp(-(WAVELENGTH - 570) / 35))
    water = moisture * (peak(1450, 50) + 1.4 * peak(1940, 70))
    return (
        brightness * rise * (1 - redness + redness * (0.35 + 0.65 * iron)) * (1 - water) * (1 - clay * peak(2200, 25))
    )


SPECTRA = {
    "crop_green": canopy(0.50, 2.95, 1.0),
    "crop_pale": canopy(0.42, 2.1, 0.9),
    "grass_green": canopy(0.42, 2.5, 0.85),
    "broadleaf": canopy(0.43, 2.9, 1.05),
    "conifer": canopy(0.27, 2.55, 1.35),
    "shrub": canopy(0.28, 2.0, 0.8),
    "flower": canopy(0.46, 2.6, 0.9) + nodes(w400=0, w480=0.005, w540=0.11, w600=0.13, w700=0.12, w760=0.0, w2400=0.0),
    "straw": nodes(
        w400=0.09,
        w500=0.15,
        w600=0.24,
        w700=0.31,
        w850=0.38,
        w1100=0.44,
        w1300=0.44,
        w1450=0.36,
        w1650=0.43,
        w1940=0.29,
        w2100=0.28,
        w2200=0.32,
        w2400=0.25,
    ),
    "litter": nodes(
        w400=0.04,
        w500=0.06,
        w600=0.10,
        w700=0.15,
        w850=0.23,
        w1100=0.30,
        w1300=0.32,
        w1450=0.26,
        w1650=0.31,
        w1940=0.19,
        w2100=0.19,
        w2200=0.22,
        w2400=0.16,
    ),
    "soil_sand": soil(0.40, 0.35, 0.15, 0.04),
    "soil_loam": soil(0.28, 0.35, 0.22, 0.10),
    "soil_dark": soil(0.15, 0.15, 0.30, 0.08),
    "soil_red": soil(0.36, 0.75, 0.15, 0.12),
    "soil_lime": soil(0.58, 0.25, 0.12, 0.05),
    "water_clear": nodes(
        w400=0.035, w480=0.032, w560=0.026, w620=0.014, w700=0.008, w760=0.006, w900=0.003, w1200=0.002, w2400=0.001
    ),
    "water_turbid": nodes(
        w400=0.045,
        w480=0.06,
        w560=0.10,
        w620=0.085,
        w700=0.06,
        w760=0.03,
        w820=0.03,
        w900=0.015,
        w1200=0.004,
        w2400=0.002,
    ),
    "asphalt": nodes(w400=0.07, w600=0.10, w850=0.125, w1300=0.16, w1650=0.18, w2400=0.17),
    "concrete": nodes(w400=0.17, w500=0.22, w600=0.27, w850=0.31, w1300=0.35, w1650=0.36, w1940=0.32, w2400=0.30),
    "tile_roof": nodes(w400=0.06, w500=0.08, w580=0.15, w650=0.22, w850=0.28, w1300=0.36, w1650=0.38, w2400=0.35),
    "bright_roof": nodes(w400=0.35, w500=0.48, w700=0.52, w1000=0.5, w1650=0.45, w2400=0.35),
    "snow": nodes(
        w400=0.92,
        w600=0.92,
        w850=0.86,
        w950=0.80,
        w1030=0.68,
        w1100=0.74,
        w1250=0.48,
        w1400=0.22,
        w1500=0.05,
        w1650=0.10,
        w1850=0.10,
        w2000=0.03,
        w2200=0.08,
        w2400=0.03,
    ),
    "cloud_water": nodes(
        w400=0.86,
        w600=0.85,
        w900=0.84,
        w1200=0.80,
        w1400=0.66,
        w1500=0.58,
        w1650=0.66,
        w1850=0.55,
        w1950=0.36,
        w2200=0.46,
        w2400=0.38,
    ),
    "cloud_ice": nodes(
        w400=0.86,
        w600=0.85,
        w900=0.83,
        w1200=0.74,
        w1400=0.5,
        w1500=0.30,
        w1650=0.42,
        w1850=0.44,
        w2000=0.18,
        w2200=0.30,
        w2400=0.20,
    ),
}


def main() -> None:
    """Write the table: a row for each wavelength, a column for each spectrum, reflectance in unit 1."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = np.column_stack([WAVELENGTH, *SPECTRA.values()])
    header = ",".join(["wavelength_nm", *SPECTRA])
    np.savetxt(TABLE, rows, fmt=["%d", *["%.4f"] * len(SPECTRA)], delimiter=",", header=header, comments="")


if __name__ == "__main__":
    main()
