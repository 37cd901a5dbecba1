import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from builders import cloudy_cube
from rasterio.transform import Affine

README = (Path(__file__).parents[1] / "README.md").read_text()


def example(section, language):
    text = README.split(f"## {section}")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found, section
    return found[1]


def run_commands(commands, folder):
    here = Path(sys.executable).parent
    subprocess.run(["bash", "-euc", f'PATH="{here}:$PATH"\n{commands}'], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def earthnet(shared, tmp_path):
    for path in (shared / "data/test/earthnet2021").glob("*29SND*.npz"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_the_earthnet_example_runs(earthnet):
    run_commands(example("Fill an EarthNet2021 cube", "bash"), earthnet)
    assert (earthnet / "filled.nc").exists()
    assert (earthnet / "filled.png").exists()


def test_the_python_example_runs(earthnet, monkeypatch):
    monkeypatch.chdir(earthnet)
    space = {}
    exec(example("Fill an EarthNet2021 cube", "python"), space)
    assert space["filled"].ndvi.shape == (30, 128, 128)


def test_the_geotiff_example_runs(tmp_path):
    cube = cloudy_cube(times=5, height=32, width=32, cloud=0.005)
    (tmp_path / "series").mkdir()
    for t, date in enumerate(cube.time.dt.strftime("%Y%m%d").values):
        counts = np.nan_to_num(cube.reflectance.values[t] * 10000).astype(np.uint16)
        transform = Affine(10, 0, 500_000, 0, -10, 5_600_000)
        profile = {"driver": "GTiff", "height": 32, "width": 32, "crs": "EPSG:32631", "transform": transform}
        with rasterio.open(
            tmp_path / "series" / f"{date}.tif", "w", count=4, dtype="uint16", nodata=0, **profile
        ) as file:
            file.write(counts)
            file.descriptions = ("blue", "green", "red", "nir")
        coarse = np.where(cube.observed.values[t].reshape(16, 2, 16, 2).all(axis=(1, 3)), 4, 9).astype(np.uint8)
        profile |= {"height": 16, "width": 16, "transform": Affine(20, 0, 500_000, 0, -20, 5_600_000)}
        with rasterio.open(tmp_path / "series" / f"{date}_SCL.tif", "w", count=1, dtype="uint8", **profile) as file:
            file.write(coarse, 1)
    run_commands(example("Fill a folder of GeoTIFFs", "bash"), tmp_path)
    assert len(list((tmp_path / "filled").glob("reflectance_*.tif"))) == 5
    assert (tmp_path / "every-ten-days.zarr").is_dir()


def test_the_example_of_a_cube_from_arrays_runs():
    page = (Path(__file__).parents[1] / "docs" / "inputs.md").read_text()
    space = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], space)
    assert np.isfinite(space["filled"].ndvi.values).all()


def test_the_table_of_methods_is_the_registry():
    from clearcube.methods import METHODS

    table = README.split("## Methods")[1]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(METHODS)
