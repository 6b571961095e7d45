"""What ``twistd sipx`` runs: its options, and the service made from them."""

from __future__ import annotations

from twisted.application.service import IService

from sipx.node.commandline import NodeOptions, command_line

Options = command_line


def makeService(options: NodeOptions) -> IService:
    """Make the service of a node.

    Args:
        options: parsed; their parent, if any, is twistd's own.
    """
    from twisted.internet import reactor

    from sipx.node.node import Node
    from sipx.node.process import NodeProcess

    daemon = options.parent is not None and not options.parent.get("nodaemon")
    return NodeProcess(Node(reactor, options, options.discovery, options.running()), daemon)
