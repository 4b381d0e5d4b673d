"""The fixtures in a test run of their own."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester):
    """Runs pytest on a test file, in this process, with the plugins that are installed."""

    def run(source: str, *arguments: str):
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess("-p", "no:xdist", *arguments)

    return run


def test_each_test_gets_a_fresh_server(run):
    run(
        """
        def test_first(muster_server):
            assert muster_server.client.kv.put("key", b"1", cas=0)

        def test_second(muster_server):
            assert muster_server.client.kv.put("key", b"2", cas=0)
        """
    ).assert_outcomes(passed=2)


def test_the_server_of_the_session_is_shared(run):
    run(
        """
        def test_first(muster_session_server):
            assert muster_session_server.client.kv.put("key", b"1", cas=0)

        def test_second(muster_session_server, muster_server):
            assert muster_session_server.client.kv.get("key").value.value == b"1"
            assert muster_server.client.kv.get("key").value is None
        """
    ).assert_outcomes(passed=2)


@pytest.mark.slow
def test_each_test_gets_a_fresh_cluster(run):
    run(
        """
        def test_first(muster_cluster):
            assert len(muster_cluster.servers) == 3
            assert muster_cluster.client.kv.put("key", b"1", cas=0)

        def test_second(muster_cluster):
            assert muster_cluster.client.kv.put("key", b"2", cas=0)
        """
    ).assert_outcomes(passed=2)


def test_the_plugin_can_be_left_out(run):
    result = run("def test_it(muster_server): pass", "-p", "no:muster")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'muster_server' not found*"])


@pytest.mark.parametrize("module", ["muster.testing.plugin", "muster.testing"])
def test_a_run_that_uses_no_server_imports_none(module):
    program = (
        f"import sys, pytest, {module}\n"
        "print([name for name in sys.modules if name.startswith('muster.') and not name.startswith('muster.testing')])\n"
        "print([name for name in ('msgspec', 'uvloop', 'muster.testing.server') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout == "[]\n[]\n"


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import muster.testing

    with pytest.raises(AttributeError, match="no attribute 'Sever'"):
        muster.testing.Sever  # noqa: B018
