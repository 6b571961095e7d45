"""Tells twistd that there is a `sipx`; nothing of it is imported until it is asked for."""

from twisted.application.service import ServiceMaker

sipx = ServiceMaker("sipx", "sipx.tap", "SIP communications server", "sipx")
