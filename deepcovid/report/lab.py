"""JupyterLab at the study's overview: on this machine only, on a free port, behind a token."""

import os
import secrets

from deepcovid.runs import NOTICE, ROOT

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

    It takes the first free port from `port` on; `browser` says to open one.
    """
    token = secrets.token_urlsafe(24)
    code = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # kernels come from this environment, not from the user's home, and run the code that lies here
    os.environ |= {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": os.pathsep.join(code)}
    os.environ["JUPYTER_TOKEN"] = token  # a command line can be read by everybody on the machine
    from jupyterlab.labapp import LabApp

    server = LabApp.initialize_server(argv=words(port, browser))
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
