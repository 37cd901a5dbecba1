import numpy as np
import pytest

from clearcube.errors import DAMAGED_ARCHIVE, InputError, described


def test_errors_are_told_with_their_type_where_the_message_is_not_made_for_people():
    assert described(InputError("name another file")) == "name another file"
    assert described(KeyError("a")) == "KeyError: 'a'"
    assert described(InputError()) == "InputError"


def test_an_array_whose_header_ends_in_the_middle_counts_as_damaged(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"}", b"(", 1))
    with pytest.raises(DAMAGED_ARCHIVE):
        np.load(tmp_path / "a.npy")
