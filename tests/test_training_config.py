import pytest

from clearcube.errors import InputError
from clearcube.training.config import CubeSource, TrainingConfig, config_from, read_config


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
        ("[optimisation]\nprecision = 'float8'", "must be one of float32, bfloat16"),
        ("[sampling]\nsize = 50", "multiple of 16"),
        ("[network]\nchannels = [8]", "hidden channels for each level"),
        ("[[train]]\nscale = 1.0", "a table with a path"),
        ("= 3", "not a TOML file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        read_config(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such configuration"):
        read_config(tmp_path / "none.toml")
