"""Several machines in one: network namespaces with a switch between them.

Everything lives in namespaces of its own, whose names hold the number of this process; the
machine's own network is not touched. For root on Linux, with iproute2.
"""

import contextlib
import functools
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

PREFIX = "ddpm-nb-test"
NETWORK = "10.77.0"  # inside the namespaces only
RESOLVER = Path("/etc/netns")  # what `ip netns exec` shows as /etc


def ip(*args, check=True):
    "Run one command of iproute2"
    return subprocess.run(["ip", *map(str, args)], capture_output=True, text=True, check=check)


def remove(name):
    "End what runs in a namespace, and remove it"
    for pid in ip("netns", "pids", name, check=False).stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    ip("netns", "del", name, check=False)
    shutil.rmtree(RESOLVER / name, ignore_errors=True)
    with contextlib.suppress(OSError):
        RESOLVER.rmdir()  # if it is empty


def sweep():
    "Remove what a test left that was killed itself"
    for name in re.findall(rf"^{PREFIX}-\d+-\S+", ip("netns", "list").stdout, re.MULTILINE):
        pid = name.removeprefix(f"{PREFIX}-").split("-")[0]
        if not Path("/proc", pid).exists():
            remove(name)


@functools.cache
def why_not():
    "Why there can be no namespaces here, or ''"
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("ip"):
        return "needs root and network namespaces"
    name = f"{PREFIX}-{os.getpid()}-try"
    try:
        ip("netns", "add", name)
        ip("-n", name, "link", "add", "name", "br0", "type", "bridge")
        ip("-n", name, "link", "add", "name", "v0", "type", "veth", "peer", "name", "v1")
        subprocess.run(["ip", "netns", "exec", name, "unshare", "--uts", "true"], check=True)
    except (OSError, subprocess.CalledProcessError):
        return "needs root and network namespaces"
    finally:
        remove(name)
    return ""


class Hosts:
    "Machines that see each other through a switch, while the block lasts"

    def __init__(self, n):
        self.id = f"{PREFIX}-{os.getpid()}-{secrets.token_hex(2)}"
        self.switch = f"{self.id}-switch"
        self.names = [f"{self.id}-{i}" for i in range(n)]
        self.processes = []

    def __enter__(self):
        sweep()
        try:
            self._connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _connect(self):
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "name", "switch", "type", "bridge")
        ip("-n", self.switch, "link", "set", "switch", "up")
        known = "127.0.0.1 localhost\n"
        for i, name in enumerate(self.names):
            # PyTorch asks for the names of addresses of both kinds
            known += f"{NETWORK}.{i + 1} {name}\n::ffff:{NETWORK}.{i + 1} {name}\n"
        for i, name in enumerate(self.names):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            peer = ("peer", "name", "eth0", "netns", name)
            ip("-n", self.switch, "link", "add", "name", f"port{i}", "type", "veth", *peer)
            ip("-n", self.switch, "link", "set", f"port{i}", "master", "switch", "up")
            ip("-n", name, "addr", "add", f"{NETWORK}.{i + 1}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            (RESOLVER / name).mkdir(parents=True)
            (RESOLVER / name / "hosts").write_text(known)
            # nobody answers there, at once
            (RESOLVER / name / "resolv.conf").write_text("nameserver 127.0.0.1\n")

    def __exit__(self, *_):
        for name in (*self.names, self.switch):
            remove(name)
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start(self, i, cmd, env, log, seconds):
        "Start a command on a machine that knows its own name; it has so many seconds to live"
        named = f'echo {self.names[i]} > /proc/sys/kernel/hostname; exec "$@"'
        inside = ["unshare", "--uts", "sh", "-c", named, "-", "timeout", "-s", "KILL", str(seconds)]
        with open(log, "w") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.names[i], *inside, *map(str, cmd)],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def kill(self, i):
        "Everything that runs on a machine is gone at once"
        for pid in ip("netns", "pids", self.names[i]).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    @contextlib.contextmanager
    def cut(self, i):
        "Inside the block, the cable between a machine and the switch is unplugged"
        ip("-n", self.switch, "link", "set", f"port{i}", "down")
        try:
            yield
        finally:
            ip("-n", self.switch, "link", "set", f"port{i}", "up")
