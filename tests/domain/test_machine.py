import pytest

from verifier.domain.machine import Accepted, Refused, Row, Table, first_refusal


def refusing(code):
    return lambda _context: code


def passing(_context):
    return None


def test_a_row_leads_from_its_state_by_its_action_to_its_target():
    table = Table(Row("green", "wait", "amber", (), "§ 1"), Row("amber", "wait", "red", (), "§ 2"))
    assert table.step("green", "wait", None) == Accepted("amber")
    assert table.step("amber", "wait", None) == Accepted("red")


@pytest.mark.parametrize(("state", "action"), [("red", "wait"), ("green", "run"), ("blue", "wait")])
def test_what_is_not_in_the_table_is_refused_without_a_code(state, action):
    table = Table(Row("green", "wait", "red", (), "§ 1"))
    assert table.step(state, action, None) == Refused(None)
    assert (state, action) not in table


def test_a_table_knows_a_pair_whatever_its_guards_say():
    table = Table(Row("green", "wait", "red", (refusing("never"),), "§ 1"))
    assert ("green", "wait") in table


def test_every_guard_must_let_pass_and_the_first_that_refuses_names_the_code():
    row = Row("green", "wait", "red", (passing, refusing("too_soon"), refusing("too_dark")), "§ 1")
    assert Table(row).step("green", "wait", None) == Refused("too_soon")


def test_no_guard_is_asked_after_one_refused():
    asked = []
    guards = tuple(lambda _c, n=n: asked.append(n) or ("no" if n == 1 else None) for n in range(3))
    assert first_refusal(guards, None) == "no"
    assert asked == [0, 1]


def test_a_guard_sees_the_context():
    seen = []
    Table(Row("green", "wait", "red", (seen.append,), "§ 1")).step("green", "wait", "the context")
    assert seen == ["the context"]


def test_two_rows_for_one_state_and_action_fail_at_construction():
    with pytest.raises(ValueError, match="two rows for 'green' and 'wait'"):
        Table(Row("green", "wait", "amber", (), "§ 1"), Row("green", "wait", "red", (), "§ 2"))


def test_the_rows_come_back_in_the_order_of_the_table():
    rows = [Row("a", "x", "b", (), "1"), Row("b", "x", "c", (), "2"), Row("a", "y", "c", (), "3")]
    assert list(Table(*rows)) == rows
