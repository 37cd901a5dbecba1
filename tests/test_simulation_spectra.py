import numpy as np
import pytest

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.simulation.config import EARTHNET_FOUR, LANDSAT_SEVEN, PLANETSCOPE_EIGHT, SENTINEL2_FOUR, SENTINEL2_TEN
from clearcube.simulation.spectra import band_optics, band_responses, spectral_table


def at(name, nanometres):
    return float(band_optics((Band("x", nanometres),)).spectra[name][0])


def test_the_table_covers_400_to_2400_nm_with_reflectances():
    wavelengths, spectra = spectral_table()
    assert (wavelengths[0], wavelengths[-1]) == (400, 2400)
    assert all(curve.min() >= 0 and curve.max() <= 1 for curve in spectra.values())


def test_responses_weigh_the_table_to_one_around_their_centre():
    response = band_responses([Band("blue", 490.0), Band("x", 1610.0)])
    np.testing.assert_allclose(response.sum(axis=1), 1)
    np.testing.assert_allclose(response @ spectral_table()[0], [490, 1610], atol=1)


@pytest.mark.parametrize(
    ("bands", "widths"),
    [
        (SENTINEL2_FOUR, [65, 35, 30, 106]),
        (EARTHNET_FOUR, [65, 35, 30, 21]),
        (LANDSAT_SEVEN, [20, 60, 57, 37, 21, 85, 187]),
        (PLANETSCOPE_EIGHT, [20, 65, 36, 36, 20, 30, 15, 40]),
        ((Band("x", 842.0), Band("nir", 1000.0), Band("x", 2390.0)), [50.5, 60, None]),
    ],
)
def test_bands_are_as_wide_as_those_of_their_sensors(bands, widths):
    grid = spectral_table()[0]
    for band, response, width in zip(bands, band_responses(bands), widths, strict=True):
        if width is None:  # cut off by the end of the table
            continue
        spread = np.sqrt((response * (grid - band.wavelength) ** 2).sum())
        assert 2.355 * spread == pytest.approx(width, rel=0.05, abs=1)


@pytest.mark.parametrize("canopy", ["crop_green", "grass_green", "broadleaf", "conifer"])
def test_leaves_are_dark_in_red_bright_in_near_infrared_and_green(canopy):
    red, green, infrared = at(canopy, 665), at(canopy, 560), at(canopy, 842)
    assert (infrared - red) / (infrared + red) > 0.8
    assert red < green < infrared
    assert at(canopy, 705) > red
    assert at(canopy, 1940) < at(canopy, 1610) < infrared


def test_other_surfaces_have_their_known_shapes():
    assert at("soil_loam", 490) < at("soil_loam", 665) < at("soil_loam", 1610)
    assert at("water_clear", 842) < 0.02 < at("water_clear", 490)
    assert at("snow", 560) > 0.9 and at("snow", 1610) < 0.15
    assert at("cloud_ice", 1610) < at("cloud_water", 1610) < at("cloud_water", 560)


def test_air_adds_most_in_the_blue_and_shadows_keep_most_of_it():
    optics = band_optics(SENTINEL2_TEN)
    by_wavelength = np.argsort([band.wavelength for band in SENTINEL2_TEN])
    assert (np.diff(optics.path[by_wavelength]) < 0).all()
    assert (np.diff(optics.loss[by_wavelength]) < 0).all()
    assert (np.diff(optics.sky[by_wavelength]) < 0).all()


def test_a_band_does_not_depend_on_the_others():
    alone = band_optics(SENTINEL2_TEN[3:4])
    among = band_optics(SENTINEL2_TEN)
    assert alone.path[0] == among.path[3]
    np.testing.assert_array_equal(alone.gain_basis[0], among.gain_basis[3])
    assert all(alone.spectra[name][0] == among.spectra[name][3] for name in among.spectra)


@pytest.mark.parametrize("wavelength", [float("nan"), 380.0, 2500.0])
def test_a_band_without_an_optical_wavelength_is_refused(wavelength):
    with pytest.raises(InputError, match=r"'mystery'.*between 400 and 2400 nm"):
        band_optics((*SENTINEL2_FOUR, Band("mystery", wavelength)))
