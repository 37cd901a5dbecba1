from clearcube.errors import InputError, described


def test_errors_are_told_with_their_type_where_the_message_is_not_made_for_people():
    assert described(InputError("name another file")) == "name another file"
    assert described(KeyError("a")) == "KeyError: 'a'"
    assert described(InputError()) == "InputError"
