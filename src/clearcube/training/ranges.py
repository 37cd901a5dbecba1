"""Which values a configuration may have: what is out of range is said before anything is read or trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from clearcube.errors import InputError
from clearcube.gaps import Scenario
from clearcube.networks.adapters import LEARNT
from clearcube.networks.ganfilling import GanFillingConfig
from clearcube.networks.precision import PRECISIONS
from clearcube.networks.seq2seq import Seq2SeqConfig
from clearcube.training.kinds import kind_of

if TYPE_CHECKING:
    from clearcube.training.config import (
        LossConfig,
        OptimisationConfig,
        SamplingConfig,
        TrainingConfig,
        ValidationConfig,
    )

STORED = ("float32", "float16")
SCHEDULES = ("one-cycle", "constant")
WAYS = ("hidden", "masked", "delivered")
SCENARIOS = tuple(str(each) for each in Scenario)
LARGEST_SEED = 2**63 - 1
MOST_PIXELS, MOST_FRAMES, MOST_DATES = 1024, 10_000, 1000
"""Of a sample's side, of the dates of a batch, of the dates of a sample: what memory may hold."""
FEWEST_DATES = 3
"""Of a sample: one to hide and one on either side."""
LEAST_JUDGED = 32
"""Pixels along a side from which the published discriminator has more than one value to normalise."""
SHARES = (
    "patterns", "simulated", "free_bands", "sparse", "second_gap", "uncovered", "disturbed", "shifted",
    "pasted",
)  # fmt: skip
GAPS = ("partial", "frames_hidden", "runs", "ends")


def check_ranges(config: TrainingConfig) -> None:
    """Whether all values can be trained with.

    Raises
    ------
    InputError : one cannot; says which and what it may be.
    """
    require(bool(config.output.strip()), 'output is ""; name a folder for state, log and weights')
    require(0 <= config.seed <= LARGEST_SEED, f"seed is {config.seed}; it must be 0 or more, and below 2^63")
    _one_of("stored", config.stored, STORED)
    _check_sampling(config.sampling)
    _check_optimisation(config.optimisation)
    _check_validation(config.check)
    require(
        not config.sampling.free_bands or isinstance(config.network, Seq2SeqConfig),
        f"a network of the kind {kind_of(config.network)} has a fixed number of bands; set sampling.free_bands to 0",
    )
    require(
        not isinstance(config.network, GanFillingConfig)
        or not config.loss.adversarial
        or config.sampling.size >= LEAST_JUDGED,
        f"the published discriminator needs a sampling.size of {LEAST_JUDGED} or more; or set loss.adversarial to 0",
    )
    _check_loss(config.loss, config)


def _check_sampling(sampling: SamplingConfig) -> None:
    _one_of("sampling.way", sampling.way, WAYS)
    require(sampling.size >= 16 and sampling.size % 16 == 0, "sampling.size must be a multiple of 16")
    require(sampling.size <= MOST_PIXELS, f"sampling.size must not be above {MOST_PIXELS}")
    require(0 < sampling.frames <= MOST_FRAMES, f"sampling.frames must lie between 1 and {MOST_FRAMES}")
    low, high = min(sampling.dates, default=0), max(sampling.dates, default=0)
    within = low >= FEWEST_DATES and high <= MOST_DATES
    require(within, f"sampling.dates must be numbers from {FEWEST_DATES} to {MOST_DATES}")
    _shares("sampling", sampling, SHARES)
    _not_negative("sampling", sampling, GAPS)
    require(any(getattr(sampling, name) for name in GAPS), f"one of sampling.{', '.join(GAPS)} must be above 0")


def _check_optimisation(rates: OptimisationConfig) -> None:
    require(rates.steps > 0 and rates.hours > 0, "steps and hours must be positive")
    _one_of("optimisation.precision", rates.precision, PRECISIONS)
    _one_of("optimisation.schedule", rates.schedule, SCHEDULES)
    _shares("optimisation", rates, ("learning_rate", "discriminator_rate", "weight_decay", "warm_up"))
    require(all(isinstance(part, str) for part in rates.learns), "optimisation.learns must be names of parts")
    require(0 <= rates.average < 1, "optimisation.average must be 0 or more, and below 1")
    _positive("optimisation", rates, ("clip", "accumulation", "threads", "devices"))
    require(
        len(rates.betas) == 2 and all(0 <= beta < 1 for beta in rates.betas),
        "optimisation.betas must be two numbers from 0 to below 1",
    )


def _check_validation(check: ValidationConfig) -> None:
    _positive("check", check, ("every", "save", "log"))
    _not_negative("check", check, ("keep", "patience"))
    require(bool(check.seeds) and min(check.seeds) >= 0, "check.seeds must be whole numbers of 0 or more")
    require(bool(check.scenarios), "check.scenarios must name at least one scenario")
    for scenario in check.scenarios:
        _one_of("each of check.scenarios", scenario, SCENARIOS)


def _check_loss(loss: LossConfig, config: TrainingConfig) -> None:
    """There is something to learn from at every step; a published network learns from its estimate alone."""
    names = tuple(vars(loss))
    _not_negative("loss", loss, names)
    useful = LEARNT if not isinstance(config.network, Seq2SeqConfig) else names
    from_the_start = {name for name in useful if name != "adversarial"}
    if config.optimisation.warm_up == 0:
        from_the_start.add("adversarial")
    words = ", ".join(name for name in names if name in from_the_start)
    require(
        any(getattr(loss, name) for name in from_the_start),
        f"there is no loss to learn from: a {kind_of(config.network)} needs one of loss.{words} above 0",
    )


def require(holds: bool, message: str) -> None:
    """Refuse a configuration of which something does not hold.

    Raises
    ------
    InputError : with this message.
    """
    if not holds:
        raise InputError(message)


def _one_of(name: str, value: str, known: Iterable[str]) -> None:
    require(value in known, f"{name} must be one of {', '.join(known)}, not {value!r:.40}")


def _shares(table: str, values: Any, names: Iterable[str]) -> None:
    for name in names:
        require(0 <= getattr(values, name) <= 1, f"{table}.{name} must lie between 0 and 1")


def _not_negative(table: str, values: Any, names: Iterable[str]) -> None:
    for name in names:
        require(getattr(values, name) >= 0, f"{table}.{name} must not be negative")


def _positive(table: str, values: Any, names: Iterable[str]) -> None:
    for name in names:
        require(getattr(values, name) > 0, f"{table}.{name} must be positive")
