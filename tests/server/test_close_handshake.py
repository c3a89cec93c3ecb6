"""How long daphne waits for the close frame of a client."""

from __future__ import annotations

from daphne.ws_protocol import WebSocketFactory

import monitor.fleet.consumers
import monitor.live.consumers
from monitor.server.daphne import Server, Socket


def test_daphne_gives_a_client_the_time_that_the_consumers_give_it() -> None:
    """Autobahn itself would reset the connection after a second."""
    server = Server(application=None, endpoints=["tcp:0"])
    server.ws_factory = WebSocketFactory(server, server="gpumon")
    socket = server.ws_factory.buildProtocol(None)
    assert isinstance(socket, Socket)
    times = {
        socket.factory.closeHandshakeTimeout,
        monitor.live.consumers.CLOSE_SECONDS,
        monitor.fleet.consumers.CLOSE_SECONDS,
    }
    assert times == {5.0}
