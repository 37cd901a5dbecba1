"""Checkpoints: what ships, what is in one, whether it is what it was; converting and averaging them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from clearcube.errors import InputError
from clearcube.network_filler.checkpoints import is_published, opened, sha256_of
from clearcube.network_filler.seq2seq import PRIOR
from clearcube.networks.checkpoint import architecture_of, averaged, save
from clearcube.networks.published import BANDS, load_published
from clearcube.networks.shipped import SUFFIX, SUMS, embedded, embedded_folder, located, shipped_sums
from clearcube.training.kinds import NetworkConfig, kind_of
from clearcube.training.names import distinct_names
from clearcube.workflows.places import check_free

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    network : kind of network. bands : in words. parameters : their number. size : of the file, bytes.
    config : the architecture's configuration. metadata : scaling, provenance, licence and what else was saved.
    """

    name: str
    path: Path
    network: str
    bands: str
    parameters: int
    size: int
    sha256: str
    config: Mapping[str, Any]
    metadata: Mapping[str, Any]


def describe(weights: str) -> CheckpointInfo:
    """A checkpoint in a file, clearcube's or the authors', or an embedded one by its name.

    Raises
    ------
    InputError : there is none, or it cannot be used.
    """
    path = Path(located(weights))
    model, metadata = opened(path)
    config: Any = model.config
    fills = isinstance(config, get_args(NetworkConfig))
    network = kind_of(config) if fills else architecture_of(model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    size = path.stat().st_size
    return CheckpointInfo(
        path.stem,
        path,
        network,
        _bands(config) if fills else "red, near infrared",
        parameters,
        size,
        sha256_of(path),
        asdict(config),
        metadata,
    )


def _bands(config: Any) -> str:
    """The bands that a network fills."""
    count = getattr(config, "bands", None)
    return "any optical" if count is None else ", ".join(BANDS) if count == len(BANDS) else str(count)


def listed() -> tuple[list[CheckpointInfo], list[str]]:
    """The checkpoints that ship with the package, and what is wrong with those that cannot be used."""
    found, problems = [], []
    for path in embedded():
        try:
            found.append(describe(str(path)))
        except InputError as error:
            problems.append(str(error))
    return found, problems


def verify(folder: Path | None = None) -> dict[str, str]:
    """Compare the checkpoints of a folder, by default the embedded ones, with their checksums.

    Returns
    -------
    Name -> what is wrong with it, "" where nothing is.

    Raises
    ------
    InputError : the list of checksums is missing or damaged.
    """
    place = folder or embedded_folder()
    sums = shipped_sums(place)
    found = {path.name: sha256_of(path) for path in sorted(place.glob(f"*{SUFFIX}"))}

    def problem(name: str) -> str:
        if name not in found:
            return f"{place / name} is missing, though {SUMS} lists it; install clearcube again"
        if name not in sums:
            return f"{place / name} is not listed in {SUMS}: it does not belong to this version of clearcube"
        if sums[name] != found[name]:
            return f"{place / name} differs from what was shipped (sha256 {found[name]}); install again"
        return ""

    return {name: problem(name) for name in sorted(sums.keys() | found.keys())}


def convert(source: Path, target: Path, *, overwrite: bool = False) -> CheckpointInfo:
    """Write the authors' checkpoint as one of clearcube's.

    Raises
    ------
    InputError : the source is none of theirs, or the target exists or is not called .safetensors.
    """
    _check_target(target, overwrite)
    if source.is_file() and not is_published(source):
        raise InputError(f"{source} is no file of torch, as the authors' are; clearcube's own need no conversion")
    model, metadata = load_published(source)
    _write(target, model, metadata | {"source_sha256": sha256_of(source)})
    return describe(str(target))


def average(sources: Sequence[Path], target: Path, *, overwrite: bool = False) -> CheckpointInfo:
    """Write the mean of the weights of checkpoints of one training, which often does better on data unlike training's.

    What the checkpoints say of themselves is taken from the last one; which ones were averaged is added to it. What
    was measured for one of them, scores and the prior of its errors (`scripts/calibrate_weights.py`), does not hold for
    the mean and is left out.

    Source: Izmailov et al., Averaging weights leads to wider optima and better generalization, UAI 2018.

    Raises
    ------
    InputError : fewer than two checkpoints, one cannot be used, they hold networks of different kinds or sizes, or the
        target exists or is not called .safetensors.
    """
    _check_target(target, overwrite)
    if len(sources) < 2:
        raise InputError("an average needs at least two checkpoints")
    models, metadata = zip(*(opened(path) for path in sources), strict=True)
    for path, other in zip(sources, models, strict=True):
        if type(other) is not type(models[-1]) or other.config != models[-1].config:
            raise InputError(f"{path} holds a network of another kind or size than {sources[-1]}; average only of one")
    model = averaged(models)
    of_one = (PRIOR, "validation", "adaptation", "source_sha256")
    kept = {name: value for name, value in metadata[-1].items() if name not in of_one}
    parts = {name: sha256_of(path) for path, name in distinct_names(sources).items()}
    told = kept["provenance"]
    told = told if isinstance(told, Mapping) else {"source": told}
    _write(target, model, kept | {"provenance": {**told, "average_of": parts}})
    return describe(str(target))


def _check_target(target: Path, overwrite: bool) -> None:
    """Whether a checkpoint may be written there."""
    if target.suffix != SUFFIX:
        raise InputError(f"{target}: name the checkpoint to write *{SUFFIX}")
    check_free(target, overwrite=overwrite)


def _write(target: Path, model: nn.Module, metadata: Mapping[str, object]) -> None:
    try:
        save(target, model, metadata)
    except OSError as error:
        raise InputError(f"cannot write {target} ({error}); choose a place you can write to") from error
