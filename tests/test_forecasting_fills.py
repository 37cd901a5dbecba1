import numpy as np
import pytest

from clearcube.errors import InputError
from clearcube.forecasting.contexts import Denoising, filled_context
from clearcube.forecasting.simulated import simulate_with_truth
from clearcube.forecasting.unmeasured import Unmeasured
from clearcube.network_filler.seq2seq import NetworkFiller
from clearcube.workflows.context_fills import context_filler, quick_context_filler, takes_weights


def test_networks_that_judge_denoise_unless_asked_to_keep():
    assert context_filler("none", {}) is None
    assert isinstance(context_filler("seq2seq", {}), Denoising)
    assert isinstance(context_filler("seq2seq-kept", {}), NetworkFiller)
    assert not isinstance(context_filler("linear", {}), Denoising)
    by_checkpoint = context_filler("auto", {"weights": "seq2seq"})
    assert isinstance(by_checkpoint, Denoising) and by_checkpoint.name == "seq2seq"
    assert takes_weights("seq2seq")
    assert takes_weights("seq2seq-kept")
    assert not takes_weights("linear")


def test_the_checkpoint_of_a_denoising_fill_is_known():
    assert context_filler("seq2seq", {}).path == context_filler("seq2seq-kept", {}).path
    assert context_filler("seq2seq", {}).name == "seq2seq"


@pytest.mark.parametrize("name", ["guess", "guess-kept", "none-kept", "linear-kept", "ganfilling-kept", "auto-kept"])
def test_fills_that_there_are_not(name):
    with pytest.raises(InputError, match=f"unknown fill '{name}'; choose one of none, .*seq2seq-kept"):
        context_filler(name, {})


def test_quick_fills_are_near_the_measured_ones():
    context = simulate_with_truth(3, size=32).episode.context
    quick, measured = quick_context_filler("seq2seq"), context_filler("seq2seq", {})
    assert isinstance(quick.filler, Unmeasured)
    assert isinstance(quick_context_filler("seq2seq-kept"), Unmeasured)
    assert quick_context_filler("linear") == context_filler("linear", {})
    one, other = (filled_context(context, filler) for filler in (quick, measured))
    assert np.array_equal(one.observed, other.observed)
    assert np.sqrt(np.nanmean((one.reflectance - other.reflectance) ** 2)) < 0.01
