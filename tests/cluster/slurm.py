"""A real Slurm on one machine: munged, slurmctld and two slurmd, for tests and to try the cluster profile by hand.

    python tests/cluster/slurm.py start FOLDER     prints how to reach it; its whole state lies in FOLDER
    python tests/cluster/slurm.py stop FOLDER

Needs root and the packages slurm-wlm and munge, and disturbs no Slurm of the machine: keys, sockets and ports are its
own. Each node lives in a mount namespace, in which /etc/slurm is the cluster's: inside a job the executor plugin drops
SLURM_CONF from the environment. Who is in that namespace was started by the node, and goes with it. There is no
accounting, and both nodes stand on the machine's own processors and memory.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

NODES = ("n1", "n2")
PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "unshare")
TIMEOUT = 60

#: Devices that stand for GPUs; no job gets to see them.
GPUS = ("/dev/null", "/dev/zero")

# A dead node is noticed in seconds instead of minutes, and a requeued job need not wait for two minutes: by default
# it does for as long as credentials live. Memory over a job's limit ends it, as the kernel does on a cluster with
# control groups.
CONFIGURATION = """\
ClusterName=clearbox
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdTimeout=6
ReturnToService=2
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=2 RealMemory=16000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=2 RealMemory=16000 Gres=gpu:2
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=n2 MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """What this machine lacks, as a clause; empty if it lacks nothing."""
    if os.geteuid() != 0:
        return "starting Slurm needs root"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"there is no {', '.join(lacking)}; apt-get install slurm-wlm munge" if lacking else ""


class Slurm:
    """A cluster with its state in `folder`; another process may have started it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.environment = os.environ | {"SLURM_CONF": str(self.folder / "etc/slurm.conf")}

    def start(self) -> None:
        """Start all daemons and wait until both nodes are idle; raises `TimeoutError` if they do not come up."""
        for name in ("etc", "state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        ports = dict(zip(("controller", *NODES), free_ports(1 + len(NODES)), strict=True))
        host = socket.gethostname().partition(".")[0]
        (self.folder / "etc/slurm.conf").write_text(CONFIGURATION.format(folder=self.folder, host=host, **ports))
        (self.folder / "etc/gres.conf").write_text("".join(f"NodeName=n2 Name=gpu File={file}\n" for file in GPUS))
        try:
            self._start_munge()
            self._spawn("slurmctld", "slurmctld", "-D", "-i")
            for node in NODES:
                self.start_node(node)
            self.wait_for(lambda: self.node_states() == dict.fromkeys(NODES, "idle"), "both nodes are idle")
        except BaseException:
            self.stop()
            raise

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        subprocess.run(["mungekey", "--create", "--keyfile", key], check=True)
        files = {"key": key, "pid": "munge.pid", "log": "munge.log", "seed": "munge.seed"}
        options = [f"--{name}-file={self.folder / file}" for name, file in files.items()]
        socket_file = self.folder / "munge.socket"
        self._spawn("munged", "munged", "--foreground", "--force", f"--socket={socket_file}", *options)
        self.wait_for(socket_file.exists, "munged listens")

    def start_node(self, node: str) -> None:
        mounted = f"mount --bind {self.folder}/etc /etc/slurm && exec slurmd -D -N {node}"
        self._spawn(node, "unshare", "--mount", "sh", "-c", f"mkdir -p /etc/slurm && {mounted}")

    def kill_node(self, node: str) -> None:
        """End a node as a power cut would: its daemon, its job steps and all that these started, at once."""
        daemon = int((self.folder / f"{node}.daemon").read_text())
        with suppress(FileNotFoundError):
            namespace = os.readlink(f"/proc/{daemon}/ns/mnt")
            while members := [
                pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if within(pid, namespace)
            ]:
                kill(*members)
        (self.folder / f"{node}.daemon").unlink()

    def stop(self) -> None:
        """End all daemons and what their jobs left running; the folder with its logs stays."""
        for node in NODES:
            if (self.folder / f"{node}.daemon").is_file():
                self.kill_node(node)
        for name in ("slurmctld", "munged"):
            if (file := self.folder / f"{name}.daemon").is_file():
                kill(int(file.read_text()))
                file.unlink()

    def ask(self, *words: str) -> str:
        """Output of a Slurm command."""
        return subprocess.run(words, env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def node_states(self) -> dict[str, str]:
        """State of each node as `sinfo` has it; empty as long as the controller does not answer."""
        try:
            return dict(line.split() for line in self.ask("sinfo", "-hN", "-p", "cpu", "-o", "%N %t").splitlines())
        except subprocess.CalledProcessError:
            return {}

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = TIMEOUT) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s until {what}; logs are in {self.folder}")
            time.sleep(0.1)

    def _spawn(self, name: str, *command: str) -> None:
        """Start a daemon; its process id goes into `name`.daemon, its output into `name`.log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            daemon = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.folder / f"{name}.daemon").write_text(str(daemon.pid))


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def within(pid: int, namespace: str) -> bool:
    """Whether a process lives in a mount namespace; the dead live nowhere."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt") == namespace
    except OSError:
        return False


def kill(*pids: int) -> None:
    """Kill processes, which may be gone already, and wait until they are."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


if __name__ == "__main__":
    verb, folder = sys.argv[1:]
    cluster = Slurm(Path(folder))
    if verb == "start":
        sys.exit(missing() or cluster.start() or print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}"))
    cluster.stop()
