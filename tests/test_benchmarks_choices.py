from benchmarks.choose_methods import TRIALS


def test_every_constant_that_is_tried_is_there_and_one_value_of_it_is_used():
    for trial in TRIALS:
        assert getattr(trial.module, trial.constant) in trial.values, trial
