"""A child process that runs while a lock is held."""

import signal
import subprocess
import threading
from types import FrameType
from typing import TYPE_CHECKING

from muster.cli.child import StartFailed, complaint, start
from muster.cli.command import Invocation
from muster.client.errors import ClientError, LockInUse, LockTimeout

if TYPE_CHECKING:
    from muster.client.locks import Lock
    from muster.client.semaphores import Semaphore

GRACE = 5.0  # seconds that a child has to end after SIGTERM
CHILD_FAILED = 2  # exit status
ENDING = (signal.SIGINT, signal.SIGTERM)
PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)
"""Signals that only the child is to act on; Consul dies of them and leaves the child alone with a lock that runs out."""


class _Shutdown(Exception):
    """A signal asked to end while the lock was waited for."""


class LockedChild:
    """Acquires, runs, and releases, with what the user sees of it."""

    def __init__(self, invocation: Invocation, lock: "Lock | Semaphore") -> None:
        self._invocation = invocation
        self._lock = lock
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting = True
        self._asked_to_end = False
        self._woken = threading.Event()
        self._child_ended = threading.Event()

    def run(self) -> int:
        """The exit status of the command."""
        before = {number: signal.signal(number, self._on_signal) for number in (*ENDING, *PASSED_ON)}
        try:
            return self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> int:
        self._tell("Attempting lock acquisition")
        try:
            lost = self._lock.acquire()
            self._waiting = False
        except (LockTimeout, _Shutdown):
            return self._invocation.refuse("Shutdown triggered or timeout during lock acquisition")
        except ClientError as error:
            return self._invocation.refuse(f"Lock acquisition failed: {error}")
        failed = self._run_child(lost)
        status = CHILD_FAILED if failed and self._invocation.switch("child-exit-code") else 0
        return self._release() or status

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """While the lock is waited for there is only that to break off; afterwards the child hears of it."""
        if number in ENDING:
            self._asked_to_end = True
            if self._waiting:
                raise _Shutdown
        if self._child is not None and not self._child_ended.is_set():
            self._child.send_signal(number)
        self._woken.set()

    def _run_child(self, lost: threading.Event) -> bool:
        """Runs the child to its end; true if it failed of itself."""
        invocation = self._invocation
        self._tell("Starting handler")
        stdin = None if invocation.switch("pass-stdin") else subprocess.DEVNULL
        environment = {"CONSUL_LOCK_HELD": "true"}
        try:
            child = start(invocation.arguments[1:], shell=invocation.switch("shell"), environment=environment, stdin=stdin)
        except StartFailed as error:
            invocation.error(f"Error starting handler: {error}")
            return True
        self._child = child
        threading.Thread(target=self._wait_for_child, args=(child,), name="waits for the child", daemon=True).start()
        threading.Thread(target=self._wait_for_loss, args=(lost,), name="waits for loss", daemon=True).start()
        while not (self._child_ended.is_set() or lost.is_set() or self._asked_to_end):
            self._woken.wait()
            self._woken.clear()
        if self._child_ended.is_set() and not self._asked_to_end:
            return self._report(child)
        if lost.is_set():
            self._tell("Lock lost, killing child")
        else:
            self._tell("Shutdown triggered, killing child")
        self._end(child)
        self._report(child)
        return False

    def _wait_for_child(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        self._child_ended.set()
        self._woken.set()

    def _wait_for_loss(self, lost: threading.Event) -> None:
        lost.wait()
        self._woken.set()

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """SIGTERM and, after the time of grace, SIGKILL."""
        self._tell(f"Terminating child pid {child.pid}")
        child.terminate()
        if not self._child_ended.wait(GRACE):
            self._tell(f"Child did not exit after grace period of {GRACE:g}s, killing it")
            child.kill()
            self._child_ended.wait()
        self._tell("Child terminated")

    def _report(self, child: subprocess.Popen[bytes]) -> bool:
        """Tells how the child ended if that was badly."""
        failure = complaint(child.returncode)
        if failure:
            self._invocation.error(f"Error running handler: {failure}")
        return failure is not None

    def _release(self) -> int:
        """Gives the lock back and removes what is left of it, unless others use it."""
        if not self._asked_to_end:
            self._tell("Child terminated, releasing lock")
        try:
            self._lock.release()
        except ClientError as error:
            return self._invocation.refuse(f"Lock release failed: {error}")
        try:
            self._lock.destroy()
        except LockInUse:
            self._tell("Cleanup aborted, lock in use")
            return 0
        except ClientError as error:
            return self._invocation.refuse(f"Lock cleanup failed: {error}")
        self._tell("Cleanup succeeded")
        return 0

    def _tell(self, text: str) -> None:
        if self._invocation.switch("verbose"):
            self._invocation.out(text)
