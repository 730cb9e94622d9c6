"""The one place that knows viser: a web server on this machine only."""

from __future__ import annotations

import io
import os
import socket
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from robo_ts.errors import RoboTSError

if TYPE_CHECKING:
    import viser

HOST = "127.0.0.1"


def open_server(port: int = 0, label: str = "robo_ts") -> viser.ViserServer:
    """Start the page's server, bound to the loopback address.

    Args:
        port: to listen on; a free one when 0.
        label: headline of the page.

    Raises:
        RoboTSError: when the viewer's packages are not installed, or the port is taken.
    """
    try:
        import mjviser  # noqa: F401 - missed here rather than in the middle of a page
        import viser
    except ImportError as error:
        raise RoboTSError(
            "the viewer's packages (viser, mjviser)",
            str(error),
            "pip install 'robo_ts[viewer]' (in a checkout: pip install -c constraints.txt -e "
            "'.[viewer]')",
        ) from error
    chosen = port or free_port()
    _check_free(chosen)
    os.environ.pop("_VISER_PORT_OVERRIDE", None)  # the port is the one we say
    with redirect_stdout(io.StringIO()):  # it greets even when it is told not to
        server = viser.ViserServer(host=HOST, port=chosen, label=label, verbose=False)
    if server.get_port() != chosen:  # viser takes the next free one when a port is taken
        close_server(server)
        raise _taken(chosen)
    server.gui.configure_theme(
        show_logo=False, show_share_button=False, brand_color=(41, 101, 204), dark_mode=False
    )
    return server


def close_server(server: viser.ViserServer) -> None:
    """Stop the page's server."""
    with redirect_stdout(io.StringIO()):
        server.stop()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _check_free(port: int) -> None:
    if not 0 < port < 65536:
        raise RoboTSError("a port from 1 to 65535, or 0 for a free one", str(port), "choose one")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise RoboTSError(
                "a port this user may listen on", f"{port}", "take one above 1023"
            ) from error
        except OSError as error:
            raise _taken(port) from error


def _taken(port: int) -> RoboTSError:
    return RoboTSError(
        f"port {port} free on {HOST}",
        "another program that listens there",
        "stop it, give another --port, or leave --port out for a free one",
    )
