import pytest

from clearcube.durations import parse_days, parse_optional_days
from clearcube.errors import InputError


@pytest.mark.parametrize("text", [60, "60", "60d", " 60 days ", "60D"])
def test_days_as_users_write_them(text):
    assert parse_days(text, "max_gap") == 60


@pytest.mark.parametrize("text", ["", "d", "-5d", "1.5d", "two weeks", "5w"])
def test_what_is_no_number_of_days_is_refused(text):
    with pytest.raises(InputError, match=r"max_gap is .* number of days"):
        parse_days(text, "max_gap")


def test_too_few_days_are_refused():
    with pytest.raises(InputError, match="every is '0d'"):
        parse_days("0d", "every", at_least=1)


def test_nothing_stays_nothing():
    assert parse_optional_days(None, "max_gap") is None
