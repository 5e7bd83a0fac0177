"""JupyterLab at the study's overview: on this machine only, on a free port, behind a token."""

import os
import secrets
import socket
import sys

from deepcovid.runs import NOTICE, ROOT, UserError

FIRST = "notebooks/00_overview.ipynb"
# nothing is asked of the network, and Ctrl-C is not asked back
WORDS = (
    "--ip=127.0.0.1",
    f"--ServerApp.root_dir={ROOT}",
    "--ServerApp.answer_yes=True",
    "--Application.log_level=WARN",
    f"--LabApp.default_url=/lab/tree/{FIRST}",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


def start(port: int | None = None, browser: bool = True) -> None:
    """Serve JupyterLab until Ctrl-C; says where it is, once it is there.

    `port` is the one to use, by default the first free one from 8888 on; `browser` says to open one,
    if there is a screen. Raises UserError where the port is taken.
    """
    if port:
        refuse_taken(port)
    token = secrets.token_urlsafe(24)
    code = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # kernels come from this environment, not from the user's home, and run the code that lies here
    os.environ |= {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": os.pathsep.join(code)}
    os.environ["JUPYTER_TOKEN"] = token  # a command line can be read by everybody on the machine
    from jupyterlab.labapp import LabApp

    server = LabApp.initialize_server(argv=words(port, browser and screen()))
    address = f"http://127.0.0.1:{server.port}/lab/tree/{FIRST}?token={token}"
    print(f"JupyterLab is at {address}\nCtrl-C ends it. {NOTICE}", flush=True)
    if "SSH_CONNECTION" in os.environ:
        way = f"ssh -L {server.port}:127.0.0.1:{server.port} HOST"
        print(f"From your own machine: {way}, then the same address.", flush=True)
    server.start()


def words(port: int | None, browser: bool) -> list[str]:
    """JupyterLab's arguments."""
    found = [*WORDS, f"--port={port or 8888}"]
    if not browser:
        found.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        found.append("--allow-root")  # as in a container
    return found


def screen() -> bool:
    """Is there one for a browser?"""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def refuse_taken(port: int) -> None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            raise UserError(f"Port {port} cannot be had: name another, or none.") from None
