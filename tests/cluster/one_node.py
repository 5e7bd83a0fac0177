"""Slurm on this machine alone: one node, started in a temporary folder, gone afterwards.

    python tests/cluster/one_node.py COMMAND...     run a command that finds this Slurm

It needs Debian's `slurm-wlm` and `munge`, and no rights: all daemons are those of who starts them,
on ports of their own, and they are ended by their own process numbers. The node says that it has
two GPUs, which are harmless devices: which of them a job gets can be seen without one.
"""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
GPUS = ("/dev/null", "/dev/zero")
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MinJobAge=86400
MailProg=/bin/true
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=main Nodes=one Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs of Slurm and munge that this machine lacks."""
    return [name for name in NEEDED if not shutil.which(name, path=PLACES)]


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def ready(env: dict, seconds: int = 60) -> bool:
    """Does the node take jobs?"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        told = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=env, capture_output=True, text=True
        )
        if told.stdout.strip() == "idle":
            return True
        time.sleep(0.5)
    return False


def cancel(env: dict, seconds: int = 30) -> None:
    """End all jobs, and wait until they are gone."""
    subprocess.run(["scancel", "--full", f"--user={getpass.getuser()}"], env=env)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not subprocess.run(["squeue", "--noheader"], env=env, capture_output=True).stdout:
            return
        time.sleep(0.5)


def end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def one_node(folder: Path, cores: int = 4, memory: int = 100_000) -> Iterator[dict]:
    """Start Slurm in `folder`; gives the environment in which its commands work.

    What the node says to have, `memory` in MB, need not be what the machine has.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host, user = socket.gethostname().split(".")[0], getpass.getuser()
    given = {"cores": cores, "memory": memory, "gpus": len(GPUS), "ports": free_ports(2)}
    (folder / "slurm.conf").write_text(CONF.format(host=host, user=user, folder=folder, **given))
    (folder / "gres.conf").write_text(f"NodeName=one Name=gpu File={','.join(GPUS)}\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    env |= {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{PLACES}"}
    # a job of Snakemake's starts its step without the environment that says where this Slurm is
    srun = folder / "bin" / "srun"
    real = shutil.which("srun", path=PLACES)
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {real} "$@"\n')
    srun.chmod(0o755)
    munged = [
        "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
        f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed",
    ]  # fmt: skip
    with ExitStack() as stack, (folder / "daemons.log").open("w") as log:
        for daemon in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", "one"]):
            process = subprocess.Popen(daemon, env=env, stdout=log, stderr=log)
            stack.callback(end, process)
            time.sleep(1)  # each wants the one before it
        if not ready(env):
            raise RuntimeError(f"Slurm did not start:\n{(folder / 'daemons.log').read_text()}")
        stack.callback(cancel, env)  # jobs outlive the daemons
        yield env


if __name__ == "__main__":
    if missing():
        sys.exit(f"Slurm is not installed: {', '.join(missing())} (Debian: slurm-wlm, munge)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with tempfile.TemporaryDirectory() as place, one_node(Path(place) / "slurm") as found:
        sys.exit(subprocess.run(sys.argv[1:], env=found).returncode)
