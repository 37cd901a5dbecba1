import dataclasses
import inspect
import re

import pytest
from network_builders import METADATA, TINY

from clearcube.errors import InputError
from clearcube.networks import checkpoint
from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig
from clearcube.networks.utilise import UtiliseConfig
from clearcube.readers import open_cube
from clearcube.training.config import TrainingConfig, config_from, read_config
from clearcube.training.cube_sources import OPTIONS, CubeSource

NO_LOSS = """
[loss]
distance = 0
gradient = 0
spectral = 0
contamination = 0
believed = 0
likelihood = 0
"""


def written(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)
    return path


def test_a_file_may_say_as_little_as_where_the_cubes_are(tmp_path):
    config = read_config(written(tmp_path, '[[train]]\npath = "mine/*.nc"\nscale = 1e-4\n'))
    assert config.train == (CubeSource("mine/*.nc", {"scale": 1e-4}),)
    assert config.loss == TrainingConfig().loss


def test_values_reach_their_places(tmp_path):
    text = "seed = 3\n[network]\nchannels = [8, 8]\nhidden = [4]\n[loss]\nspectral = 0\n[optimisation]\nsteps = 7\n"
    config = read_config(written(tmp_path, text))
    assert (config.seed, config.network.channels, config.loss.spectral) == (3, (8, 8), 0.0)
    assert config.optimisation.steps == 7


def test_plain_values_make_the_same_configuration(tmp_path):
    text = 'output = "x"\n[[train]]\npath = "a"\nmask = "b:SCL"\n[[validation]]\npath = "v"\n'
    config = read_config(written(tmp_path, text))
    assert config_from(config.plain()) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 3", "'stepz' is not known here; known are output, start"),
        ("[loss]\nl1 = 1", "loss: 'l1' is not known"),
        ("[optimisation]\nsteps = 'many'", "steps is 'many'; give a whole number"),
        ("[optimisation]\nsteps = 0", "must be positive"),
        ("[optimisation]\nprecision = 'float8'", "must be one of auto, float32, bfloat16"),
        ("[sampling]\nsize = 50", "multiple of 16"),
        ("[network]\nchannels = [8]", "hidden channels for each level"),
        ("[[train]]\nscale = 1.0", "a table with a path"),
        ("= 3", "not a TOML file"),
        ("train = 5", "[[train]]: give a path, or tables with a path, not 5"),
        ("train = [5]", "[[train]]: give a path, or a table with a path, not 5"),
        ("train = ' '", "[[train]]: give a path"),
        ("[[train]]\npath = 'a'\nmas = 'b'", "[[train]]: 'mas' is no option of a cube; known are path, format, bands"),
        ("[[train]]\npath = 'a'\nscale = 'abc'", "scale is 'abc'; give a number"),
        ("[[train]]\npath = 'a'\nscale = nan", "scale is nan; give a number"),
        ("[[train]]\npath = 'a'\nbands = []", "bands is []; give names"),
        ("[[train]]\npath = 'a'\nbands = [3]", "bands is [3]; give names"),
        ("[[train]]\npath = 'a'\n[train.bands]\nred = 3", "bands is {'red': 3}; give names"),
        ("[[train]]\npath = 'a'\noptions = 3", "options is 3; give a table"),
        ("[[validation]]\npath = 'a'\ndilate = 1.5", "[[validation]]: dilate is 1.5; give a whole number"),
        ("output = ''", 'output is ""; name a folder'),
        ("seed = -1", "seed is -1; it must be 0 or more"),
        ("seed = 99999999999999999999", "below 2^63"),
        ("[sampling]\ndates = ['x']", "dates: each of it is 'x'; give a whole number"),
        ("[sampling]\npatterns = nan", "patterns is nan; give a number"),
        ("[sampling]\npatterns = 1.5", "sampling.patterns must lie between 0 and 1"),
        ("[sampling]\nframes = 0", "sampling.frames must lie between 1 and"),
        ("[sampling]\ndates = [100000000]", "sampling.dates must be numbers from 3 to 1000"),
        ("[sampling]\nsize = 1600", "sampling.size must not be above 1024"),
        ("[sampling]\nruns = -1", "sampling.runs must not be negative"),
        ("[sampling]\npartial = 0\nframes_hidden = 0\nruns = 0\nends = 0", "one of sampling.partial, frames_hidden"),
        ("[network]\nchannels = ['a', 'b']", "channels: each of it is 'a'; give a whole number"),
        ("[network]\nchannels = [8.5, 8]", "channels: each of it is 8.5; give a whole number"),
        ("[network]\nkind = 'gan'", "network: there is no network of the kind 'gan'"),
        ("[network]\nkind = 'frame2frame'\nrecurrent = true", "a frame2frame has no recurrence"),
        (
            "[network]\nkind = 'ganfilling'\n[sampling]\nfree_bands = 0\nsize = 16\n"
            "[loss]\nabsolute = 1\nadversarial = 1",
            "needs a sampling.size of 32 or more",
        ),
        ("[check]\nseeds = [-1]", "check.seeds must be whole numbers of 0 or more"),
        ("[check]\nseeds = ['a']", "seeds: each of it is 'a'"),
        ("[check]\nscenarios = ['frame']", "each of check.scenarios must be one of partial, frames, run30"),
        ("[check]\nscenarios = []", "check.scenarios must name at least one"),
        ("[check]\nkeep = -1", "check.keep must not be negative"),
        ("[check]\npatience = -1", "check.patience must not be negative"),
        ("[optimisation]\nthreads = 0", "optimisation.threads must be positive"),
        ("[optimisation]\ndevices = 0", "optimisation.devices must be positive"),
        ("[optimisation]\naccumulation = 0", "optimisation.accumulation must be positive"),
        ("[optimisation]\nclip = 0", "optimisation.clip must be positive"),
        ("[optimisation]\nbetas = [0.9]", "optimisation.betas must be two numbers"),
        ("[optimisation]\nbetas = [0.9, 1.0]", "optimisation.betas must be two numbers from 0 to below 1"),
        ("[optimisation]\nbetas = ['a', 'b']", "betas: each of it is 'a'; give a number"),
        ("[optimisation]\nlearning_rate = -1", "optimisation.learning_rate must lie between 0 and 1"),
        ("[optimisation]\nlearning_rate = 1e38", "optimisation.learning_rate must lie between 0 and 1"),
        ("[optimisation]\nweight_decay = -1", "optimisation.weight_decay must lie between 0 and 1"),
        ("[optimisation]\naverage = 1.0", "optimisation.average must be 0 or more, and below 1"),
        ("[optimisation]\nwarm_up = -0.1", "optimisation.warm_up must lie between 0 and 1"),
        ("[optimisation]\nhours = inf", "hours is inf; give a number"),
        ("[loss]\nspectral = -1", "loss.spectral must not be negative"),
        (NO_LOSS, "a seq2seq needs one of loss.distance, likelihood"),
        ("[optimisation]\nlearns = [['fill']]", "learns must be names of parts"),
        ("[optimisation]\nlearns = [3]", "learns must be names of parts"),
        (NO_LOSS + "adversarial = 1", "there is no loss to learn from"),
        (
            NO_LOSS.replace("likelihood = 0", "likelihood = 1")
            + "\n[network]\nkind = 'utilise'\n[sampling]\nfree_bands = 0",
            "a utilise needs one of",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_config(written(tmp_path, text))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(InputError, match="no such configuration"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(InputError, match="is a folder; name the configuration file in it"):
        read_config(tmp_path)


@pytest.mark.parametrize("text", ['train = "cubes/*.nc"', '[train]\npath = "cubes/*.nc"'])
def test_one_source_may_stand_alone(tmp_path, text):
    assert read_config(written(tmp_path, text)).train == (CubeSource("cubes/*.nc"),)


def test_the_options_of_a_source_are_those_of_the_reader():
    assert list(OPTIONS) == list(inspect.signature(open_cube).parameters)[1:]


def test_a_loss_that_is_adversarial_from_the_start_is_enough(tmp_path):
    text = NO_LOSS + "adversarial = 1\n[optimisation]\nwarm_up = 0\n"
    assert read_config(written(tmp_path, text)).loss.adversarial == 1


@pytest.mark.parametrize(
    ("table", "name", "good", "bad"),
    [
        ("sampling", "size", [16, 48, 1024], [0, 8, 24, 1040]),
        ("sampling", "frames", [1, 10_000], [0, 10_001]),
        ("sampling", "dates", [[3], [5, 1000]], [[], [2, 5], [5, 1001]]),
        ("sampling", "patterns", [0, 1], [-0.1, 1.1]),
        ("sampling", "runs", [0, 9], [-0.1]),
        ("optimisation", "steps", [1], [0]),
        ("optimisation", "hours", [0.1], [0]),
        ("optimisation", "learning_rate", [0, 1], [-0.1, 1.1]),
        ("optimisation", "average", [0, 0.999], [-0.1, 1]),
        ("optimisation", "betas", [[0, 0.999]], [[0.9, 1], [-0.1, 0.9], [0.9]]),
        ("optimisation", "clip", [0.1], [0]),
        ("check", "every", [1], [0]),
        ("check", "keep", [0], [-1]),
        ("check", "seeds", [[0, 1]], [[], [-1]]),
        ("loss", "distance", [0, 2], [-0.1]),
    ],
)
def test_values_may_reach_their_limits_and_not_beyond(table, name, good, bad):
    for value in good:
        config_from({table: {name: value}})
    for value in bad:
        with pytest.raises(InputError, match=name):
            config_from({table: {name: value}})


def test_a_run_that_says_nothing_else_has_the_usual_rates():
    usual = TrainingConfig().optimisation
    assert (usual.schedule, usual.learning_rate, usual.average, usual.weight_decay) == ("one-cycle", 2e-3, 0.998, 1e-2)


def test_without_network_it_is_that_of_the_start(tmp_path):
    path = tmp_path / "start.safetensors"
    network = dataclasses.replace(TINY, sharpened=True)
    checkpoint.save(path, Seq2Seq(network), METADATA)
    assert config_from({"start": str(path)}).network == network
    assert config_from({"start": "seq2seq"}).network.sharpened
    assert config_from({"start": "utilise", "sampling": {"free_bands": 0}}).network == UtiliseConfig()
    assert config_from({"start": str(path), "network": {"basis": 3}}).network == Seq2SeqConfig(basis=3)
    assert config_from({"start": "forecast"}).network == Seq2SeqConfig()  # what training refuses, in its own words
    assert config_from({"start": str(tmp_path / "none")}).network == Seq2SeqConfig()
