"""Go-style flags: what is read, and how wrong lines are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.cli import flags as f

FLAGS = (
    f.Flag("switch", f.SWITCH, "A switch."),
    f.Flag("on", f.SWITCH, "A switch that is on.", default=True),
    f.Flag("text", f.TEXT, "A text."),
    f.Flag("int", f.INT, "A number.", default=3),
    f.Flag("uint", f.UINT, "A number."),
    f.Flag("duration", f.DURATION, "A duration."),
    f.Flag("list", f.LIST, "A list."),
    f.Flag("pairs", f.PAIRS, "Pairs."),
    f.Flag("truth", f.OPTIONAL_SWITCH, "A truth."),
    f.Flag("span", f.OPTIONAL_DURATION, "A duration."),
    f.Flag("count", f.OPTIONAL_UINT, "A number."),
    f.Flag("port", f.OPTIONAL_INT, "A number."),
)


@pytest.mark.parametrize(
    ("line", "name", "value", "rest"),
    [
        pytest.param(["-switch"], "switch", True, [], id="a switch"),
        pytest.param(["--switch", "x"], "switch", True, ["x"], id="two dashes, and a switch takes no argument"),
        pytest.param(["-switch=false"], "switch", False, [], id="a switch turned off"),
        pytest.param(["-on=f"], "on", False, [], id="a default turned off"),
        pytest.param([], "on", True, [], id="a default"),
        pytest.param(["-text", "-x"], "text", "-x", [], id="a value that looks like a flag"),
        pytest.param(["-text=a=b"], "text", "a=b", [], id="an equals sign in the value"),
        pytest.param(["-text="], "text", "", [], id="an empty value"),
        pytest.param(["-int", "0x10"], "int", 16, [], id="hexadecimal"),
        pytest.param(["-int=010"], "int", 8, [], id="octal"),
        pytest.param(["-int=-5"], "int", -5, [], id="negative"),
        pytest.param(["-uint=18446744073709551615"], "uint", (1 << 64) - 1, [], id="the largest number"),
        pytest.param(["-duration=1m30s"], "duration", 90_000_000_000, [], id="a duration"),
        pytest.param(["-list=a", "-list", "b"], "list", ["a", "b"], [], id="repeated"),
        pytest.param(["-pairs=a=b", "-pairs=c="], "pairs", {"a": "b", "c": ""}, [], id="pairs"),
        pytest.param(["x", "-switch"], "switch", False, ["x", "-switch"], id="flags end at the first argument"),
        pytest.param(["--", "-switch"], "switch", False, ["-switch"], id="flags end at two dashes"),
        pytest.param(["-", "-switch"], "switch", False, ["-", "-switch"], id="one dash is an argument"),
        pytest.param([], "truth", None, [], id="not given is not set"),
        pytest.param(["-span=300ms"], "span", 300_000_000, [], id="an optional duration"),
        pytest.param(["-port=-1"], "port", -1, [], id="an optional number"),
    ],
)
def test_a_line_is_read(line, name, value, rest):
    parsed = f.parse(FLAGS, line)
    assert parsed.values[name] == value
    assert parsed.arguments == rest
    assert (name in parsed.given) == any(word.lstrip("-").partition("=")[0] == name for word in line[: len(line) - len(rest)])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        pytest.param(["-nope"], "flag provided but not defined: -nope", id="unknown"),
        pytest.param(["---x"], "bad flag syntax: ---x", id="three dashes"),
        pytest.param(["-=x"], "bad flag syntax: -=x", id="no name"),
        pytest.param(["-text"], "flag needs an argument: -text", id="no value"),
        pytest.param(["-switch=xx"], 'invalid boolean value "xx" for -switch: parse error', id="not a truth"),
        pytest.param(["-int=1.5"], 'invalid value "1.5" for flag -int: parse error', id="not a number"),
        pytest.param(["-int=0x8000000000000000"], 'invalid value "0x8000000000000000" for flag -int: value out of range', id="too large"),
        pytest.param(["-uint=-1"], 'invalid value "-1" for flag -uint: parse error', id="negative where none may be"),
        pytest.param(["-duration=1"], 'invalid value "1" for flag -duration: parse error', id="a duration without a unit"),
        pytest.param(["-pairs=a"], 'invalid value "a" for flag -pairs: Missing "=" value in argument: a', id="no pair"),
        pytest.param(
            ["-truth=zz"], 'invalid boolean value "zz" for -truth: strconv.ParseBool: parsing "zz": invalid syntax', id="no truth"
        ),
        pytest.param(["-span=zz"], 'invalid value "zz" for flag -span: time: invalid duration "zz"', id="no duration"),
        pytest.param(["-count=-1"], 'invalid value "-1" for flag -count: strconv.ParseUint: parsing "-1": invalid syntax', id="no count"),
        pytest.param(["-port=abc"], 'invalid value "abc" for flag -port: strconv.Atoi: parsing "abc": invalid syntax', id="no port"),
    ],
)
def test_a_wrong_line_is_refused_in_go_s_words(line, complaint):
    with pytest.raises(f.FlagError) as caught:
        f.parse(FLAGS, line)
    assert str(caught.value) == complaint


def test_a_default_list_is_not_shared_between_lines():
    f.parse(FLAGS, ["-list=a", "-pairs=a=b"])
    assert f.parse(FLAGS, []).values["list"] == []
    assert f.parse(FLAGS, []).values["pairs"] == {}


@given(st.lists(st.text()))
def test_any_line_is_read_or_refused(line):
    try:
        parsed = f.parse(FLAGS, line)
    except f.FlagError:
        return
    assert parsed.arguments == line[len(line) - len(parsed.arguments) :]
