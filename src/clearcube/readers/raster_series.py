"""From raster files to acquisitions: which files belong together, which are chosen, whether they share one grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from clearcube.cube import BANDS
from clearcube.errors import InputError
from clearcube.readers.names import band_called, named
from clearcube.readers.raster_contents import RasterFile, is_mask
from clearcube.readers.raster_files import Grid, RasterInfo
from clearcube.readers.raster_names import FileName


@dataclass
class Acquisition:
    """What the sensor delivered at one time: for each band and mask the file that holds it."""

    product: str
    time: np.datetime64
    bands: dict[str, RasterFile] = field(default_factory=dict)
    masks: dict[str, RasterFile] = field(default_factory=dict)


def choose(names: Sequence[tuple[str, FileName]], asked: Sequence[str] | None) -> list[tuple[str, FileName]]:
    """Of Sentinel-2 images that exist at several pixel sizes, those of one size; everything else is kept.

    Bands: the finest size at which every product has all asked bands (any band where none is asked). Masks: the
    finest of each product.

    Raises
    ------
    InputError : there is no such size.
    """
    wanted = None if asked is None else {named(name).name for name in asked}
    there: dict[str, dict[int, set[str]]] = {}
    for _, name in names:
        if (band := _image_band(name)) is not None and name.resolution is not None:
            there.setdefault(name.product, {}).setdefault(name.resolution, set()).add(band)
    sizes = sorted({size for bands in there.values() for size in bands})
    fits = [size for size in sizes if all((wanted or set()) <= bands.get(size, set()) for bands in there.values())]
    fits = [size for size in fits if all(bands.get(size) for bands in there.values())]
    if there and not fits:
        raise InputError(_no_size(there, wanted))
    finest = _finest_masks(names)
    return [(path, name) for path, name in names if _is_chosen(name, fits[0] if fits else None, wanted, finest)]


def group(files: Iterable[RasterFile]) -> list[Acquisition]:
    """The acquisitions of the files, ordered by time and product; masks without an image of their date are left out.

    Files of one product that hold the same band begin another acquisition of that product.
    """
    groups: dict[tuple[str, object], list[Acquisition]] = {}
    for file in sorted(files, key=lambda file: file.info.path):
        name = file.name
        product = name.product if len(file.info.indexes) == 1 or name.is_sentinel2 else name.stem
        of_folder = name.sentinel2 is not None or name.product_folder is not None
        members = groups.setdefault((product, None if of_folder else name.time), [])
        target = next(
            (a for a in members if not (file.bands.keys() & a.bands.keys() or file.masks.keys() & a.masks)), None
        )
        if target is None:
            target = Acquisition(product, name.time)
            members.append(target)
        if file.bands and not target.bands:
            target.time = name.time
        target.bands.update(dict.fromkeys(file.bands, file))
        target.masks.update(dict.fromkeys(file.masks, file))
    everything = [acquisition for members in groups.values() for acquisition in members]
    images = [acquisition for acquisition in everything if acquisition.bands]
    for other in everything:
        if not other.bands:
            _lend(other, images)
    return sorted(images, key=lambda acquisition: (acquisition.time, acquisition.product))


def band_order(acquisitions: Sequence[Acquisition], asked: Sequence[str] | None) -> list[str]:
    """The names of the bands to read: as asked, else as in the first file that has them all, else by wavelength.

    Raises
    ------
    InputError : an acquisition lacks a band.
    """
    present = {band for acquisition in acquisitions for band in acquisition.bands}
    first = list(acquisitions[0].bands)
    by_file = set(first) == present and len({id(file) for file in acquisitions[0].bands.values()}) == 1
    known = list(BANDS)
    natural = sorted(present, key=lambda band: (known.index(band) if band in BANDS else len(known), band))
    bands = [named(name).name for name in asked] if asked is not None else (first if by_file else natural)
    for acquisition in acquisitions:
        missing = [band for band in bands if band not in acquisition.bands]
        if missing:
            raise InputError(
                f"{acquisition.product} ({acquisition.time}): no band '{missing[0]}'; there are "
                f"{', '.join(acquisition.bands)}. Add its file, leave the date out, or choose other bands with --bands"
            )
    return bands


def common_grid(infos: Sequence[RasterInfo]) -> Grid:
    """The grid of all files.

    Raises
    ------
    InputError : one differs from the majority, or is rotated.
    """
    votes = Counter((str(i.grid.crs), tuple(i.grid.transform), i.grid.height, i.grid.width) for i in infos)
    elected = votes.most_common(1)[0][0]
    grid = next(
        i.grid for i in infos if (str(i.grid.crs), tuple(i.grid.transform), i.grid.height, i.grid.width) == elected
    )
    odd = [(info.path, difference) for info in infos if (difference := grid.difference(info.grid)) is not None]
    if odd:
        more = f" (and {len(odd) - 1} more files)" if len(odd) > 1 else ""
        raise InputError(
            f"{odd[0][0]}{more} is on another grid than the rest: {odd[0][1]}; leave it out or warp it to their grid"
        )
    if grid.transform.b or grid.transform.d:
        raise InputError(f"{infos[0].path}: its grid is rotated; warp it to rows that run west-east first")
    return grid


def _image_band(name: FileName) -> str | None:
    """The band of a Sentinel-2 image file, by its name."""
    if not name.is_sentinel2 or name.label is None or is_mask(name.label):
        return None
    band = band_called(name.label)
    return None if band is None else band.name


def _finest_masks(names: Iterable[tuple[str, FileName]]) -> dict[tuple[str, str], int]:
    finest: dict[tuple[str, str], int] = {}
    for _, name in names:
        if name.label is not None and name.resolution is not None and is_mask(name.label):
            key = (name.product, name.label)
            finest[key] = min(name.resolution, finest.get(key, name.resolution))
    return finest


def _is_chosen(name: FileName, size: int | None, wanted: set[str] | None, finest: dict[tuple[str, str], int]) -> bool:
    if name.resolution is None or name.label is None:
        return True
    if is_mask(name.label):
        return name.resolution == finest[name.product, name.label]
    band = _image_band(name)
    return band is None or (name.resolution == size and (wanted is None or band in wanted))


def _no_size(there: dict[str, dict[int, set[str]]], wanted: set[str] | None) -> str:
    lacking = (item for item in there.items() if not any((wanted or set()) <= have for have in item[1].values()))
    product, bands = next(lacking, next(iter(there.items())))
    found = "; ".join(f"{size} m: {', '.join(sorted(members))}" for size, members in sorted(bands.items()))
    asked = ", ".join(sorted(wanted)) if wanted else "any bands"
    return f"{product}: no pixel size has {asked} in every product ({found}); ask for bands of one size with --bands"


def _lend(mask: Acquisition, images: Sequence[Acquisition]) -> None:
    """Give the masks of an acquisition without bands to the images of its time, else of its day."""
    for unit in ("s", "D"):
        when = mask.time.astype(f"datetime64[{unit}]")
        same = [image for image in images if image.time.astype(f"datetime64[{unit}]") == when]
        if same:
            for image in same:
                image.masks.update({name: file for name, file in mask.masks.items() if name not in image.masks})
            return
