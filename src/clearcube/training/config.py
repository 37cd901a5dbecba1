"""What a training run is: frozen values, read from a TOML file that may say as little as it likes."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from clearcube.errors import InputError
from clearcube.networks.checkpoint import load
from clearcube.networks.seq2seq import Seq2SeqConfig
from clearcube.networks.shipped import located
from clearcube.training.cube_sources import CubeSource, sources_from
from clearcube.training.kinds import NetworkConfig, kind_named, kind_of
from clearcube.training.ranges import check_ranges

T = TypeVar("T")


@dataclass(frozen=True)
class SamplingConfig:
    """How samples are drawn.

    way : what is asked for. 'hidden': observed pixels are hidden, and only they count. As published for U-TILISE,
        'masked': masks lie over series without gaps, and every pixel counts. As published for GANFilling,
        'delivered': clouds are left in, and what is clear is to be reconstructed.
    patterns : share of plain patterns among all samples.
    simulated : share of simulated scenes among the rest that real cubes could give too (1 = no real ones).
    free_bands : share of batches with any set of bands, simulated; the others have the bands of the real cubes.
    size : pixels along the sides of a sample, a multiple of 16. frames : samples x dates in a batch.
    dates : numbers of dates, one is drawn for each batch.
    sparse : probability that a sample's dates lie up to four times as far apart, so that long runs fit between them.
    partial, frames_hidden, runs, ends : weights of the kinds of artificial gaps.
    second_gap : probability of a second gap in a sample. pasted : of real clouds that the mask misses in a real one.
    uncovered : probability that clouds are taken off a share of a simulated scene's dates.
    disturbed : probability that each date of a sample is given a further haze or gain of its own.
    shifted : probability that a sample is moved to any time of the year.
    """

    way: str = "hidden"
    patterns: float = 0.5
    simulated: float = 0.4
    free_bands: float = 0.2
    size: int = 48
    frames: int = 48
    dates: tuple[int, ...] = (6, 8, 8, 10, 14)
    sparse: float = 0.3
    partial: float = 0.6
    frames_hidden: float = 0.15
    runs: float = 0.15
    ends: float = 0.1
    second_gap: float = 0.2
    uncovered: float = 0.85
    disturbed: float = 0.4
    shifted: float = 0.8
    pasted: float = 0.25


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss; 0 leaves a part out.

    distance : error of the estimate at hidden pixels, relative to that of interpolation.
    likelihood : negative log likelihood of a Laplace distribution of the estimate's mean and std.
    gradient : error of the differences between neighbouring pixels. spectral : angle between spectra, radians.
    contamination : cross entropy of the judgement of observed pixels.
    believed : error of the mean at observed pixels with known truth.
    absolute : absolute error where it counts, mean over all pixels; what the published networks learn from.
    adversarial : what the discriminator makes of the fill.
    """

    distance: float = 1.0
    likelihood: float = 0.05
    gradient: float = 0.03
    spectral: float = 0.1
    contamination: float = 0.1
    believed: float = 0.1
    absolute: float = 0.0
    adversarial: float = 0.0


@dataclass(frozen=True)
class OptimisationConfig:
    """Steps and step sizes.

    steps, hours : the run ends with whichever comes first; the learning rate follows the share that is done
        ('one-cycle') or stays ('constant'). betas : of Adam's averages; the discriminator has its own.
    accumulation : batches for each step. average : decay of the moving average of the weights.
    warm_up : share of the run before the adversarial part begins.
    learns : the parts of the network that learn, such as 'sharpening', the others stay as they are; empty: all.
    precision : what the networks compute in, one of `networks.precision.PRECISIONS`.
    """

    steps: int = 20_000
    hours: float = 24.0
    learning_rate: float = 2e-3
    discriminator_rate: float = 5e-4
    schedule: str = "one-cycle"
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-2
    clip: float = 1.0
    accumulation: int = 1
    average: float = 0.998
    warm_up: float = 0.6
    learns: tuple[str, ...] = ()
    precision: str = "auto"
    threads: int = 1
    devices: int = 1


@dataclass(frozen=True)
class ValidationConfig:
    """When and on what the weights are judged.

    every : steps between validations; save : steps between saves of the state; keep : steps between checkpoints that
    stay beside the last one, 0 = none; log : steps whose mean makes a record of the log; patience : validations without
    a better one after which the run ends, 0 = never.
    """

    every: int = 250
    save: int = 250
    keep: int = 0
    log: int = 25
    scenarios: tuple[str, ...] = ("partial", "frames", "run30", "run60", "leading", "trailing")
    seeds: tuple[int, ...] = (0,)
    patience: int = 0
    pictures: bool = True


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    output : folder for state, log and weights. train, validation : real cubes (none: simulated scenes alone).
    start : a checkpoint, a file or the name of one that ships, whose weights the network begins with; "": those that
        the seed decides.
    stored : type of the numbers in the checkpoints, 'float16' for half the size.
    network : its sizes; in a file under `[network]` with its `kind`, seq2seq where none is named. Where a file has no
        `[network]`, it is the network of `start`.
    """

    output: str = "runs/seq2seq"
    start: str = ""
    stored: str = "float32"
    seed: int = 0
    train: tuple[CubeSource, ...] = ()
    validation: tuple[CubeSource, ...] = ()
    network: NetworkConfig = field(default_factory=Seq2SeqConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)
    check: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        check_ranges(self)

    def plain(self) -> dict[str, Any]:
        """All values as tables, numbers, texts and lists."""
        values = cast("dict[str, Any]", plain_values(asdict(self)))
        return values | {"network": {"kind": kind_of(self.network)} | values["network"]}


def read_config(path: str | Path) -> TrainingConfig:
    """Read a configuration. Relative paths in it count from where the program is run.

    Raises
    ------
    InputError : no such file, not TOML, an unknown name, a value of the wrong type or out of range.
    """
    return config_from(table_in(path), str(path))


def table_in(path: str | Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises
    ------
    InputError : no such file, or not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such configuration file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name the configuration file in it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from None


def config_from(table: Mapping[str, Any], where: str = "the configuration") -> TrainingConfig:
    """The configuration from plain values, as a TOML file gives them.

    Raises
    ------
    InputError : an unknown name, a value of the wrong type or out of range.
    """
    values = dict(table)
    for role in ("train", "validation"):
        values[role] = sources_from(values.get(role, ()), f"{where}, [[{role}]]")
    if "network" in values:
        values["network"] = _network(values["network"], where)
    elif values.get("start"):
        values["network"] = _network_of(values["start"])
    return built(TrainingConfig, values, where)


def _network(table: Any, where: str) -> NetworkConfig:
    """The network's configuration; `kind` says which network it is of."""
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: network is {table!r:.60}; give a table")
    sizes = {name: value for name, value in table.items() if name != "kind"}
    try:
        usual = kind_named(table.get("kind", "seq2seq"))
    except InputError as error:
        raise InputError(f"{where}: network: {error}") from None
    if kind_of(usual) == "frame2frame" and sizes.setdefault("recurrent", False) is not False:
        raise InputError(f"{where}: network: a frame2frame has no recurrence; with it the kind is ganfilling")
    return built(type(usual), sizes, f"{where}: network")


def _network_of(start: Any) -> NetworkConfig:
    """The configuration of the network in a checkpoint; the usual one where it cannot be read: training says so."""
    try:
        found = getattr(load(located(start))[0], "config", None)
    except (InputError, TypeError):
        found = None
    return found if isinstance(found, NetworkConfig) else Seq2SeqConfig()


def built(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """A configuration class from a table: names must be known, values of the type of the default."""
    defaults = {f.name: _default(f) for f in fields(cast("Any", kind))}
    unknown = sorted(set(table) - set(defaults))
    if unknown:
        raise InputError(f"{where}: '{unknown[0]}' is not known here; known are {', '.join(defaults)}")
    values = {name: _value(defaults[name], value, f"{where}: {name}") for name, value in table.items()}
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _value(default: Any, value: Any, where: str) -> Any:
    """The value as the type of the default."""
    if is_dataclass(default) and is_dataclass(value):
        return value
    if is_dataclass(default) and isinstance(value, Mapping):
        return built(cast("type[Any]", type(default)), value, where)
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(_value(default[0], each, f"{where}: each of it") for each in value) if default else tuple(value)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default) or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"{where} is {value!r:.60}; give a {_in_words(default)}")
    return value


def _in_words(default: Any) -> str:
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", tuple: "list"}
    return names.get(type(default), "table")


def _default(f: Any) -> Any:
    return f.default if f.default is not MISSING else f.default_factory()


def plain_values(value: Any) -> Any:
    """Nested values with lists in place of tuples, as TOML and JSON have them."""
    if isinstance(value, Mapping):
        return {key: plain_values(each) for key, each in value.items()}
    return [plain_values(each) for each in value] if isinstance(value, tuple | list) else value
