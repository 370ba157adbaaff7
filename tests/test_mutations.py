"""The list of mutations stays true: each finds its text, and breaks the program in a way that Python can compile."""

import ast

import mutations
import pytest

LISTED = mutations.read()


def test_each_text_occurs_once_in_its_file_and_becomes_other_code():
    for one in LISTED:
        before = (mutations.ROOT / one.file).read_text(encoding="utf-8")
        after = mutations.mutated(one, before)
        assert after != before and ast.parse(after), one.name


def test_each_names_tests_that_exist_and_no_two_are_called_alike():
    assert all((mutations.ROOT / test.partition("::")[0]).is_file() for one in LISTED for test in one.tests)
    assert all(one.tests for one in LISTED)
    assert len({(one.stage, one.name) for one in LISTED}) == len(LISTED)


def test_text_that_is_not_there_or_comes_twice_is_refused():
    one = mutations.Mutation("sign", "anchors", "a.py", "+ 1", "- 1", ("tests/test_mutations.py",))

    assert mutations.mutated(one, "x = y + 1") == "x = y - 1"
    for text in ("x = y", "x = y + 1 + 1"):
        with pytest.raises(ValueError, match="sign: '\\+ 1' occurs [02] times in a.py"):
            mutations.mutated(one, text)
