"""The components that sipx is made of: names and strings; nothing is imported for them."""

from sipx.node.component import Component
from sipx.node.options import (
    Option,
    address,
    file,
    name_server,
    port,
    trust,
    whole,
    word,
    words,
    yes_no,
)

udp = Component(
    "udp",
    "sipx.net.component.udp",
    "SIP over UDP",
    provides=["sipx.interfaces.ITransport"],
    requires=["sipx.net.interfaces.ISignaling"],
)

tcp = Component(
    "tcp",
    "sipx.net.component.tcp",
    "SIP over TCP",
    provides=["sipx.interfaces.ITransport"],
    requires=["sipx.net.interfaces.ISignaling"],
)

tls = Component(
    "tls",
    "sipx.net.tlscomponent.tls",
    "SIP over TLS",
    provides=["sipx.interfaces.ITransport"],
    requires=["sipx.net.interfaces.ISignaling"],
    options=[
        Option("tls-port", "5061", "TCP port of SIP over TLS", port),
        Option(
            "certificate",
            None,
            "PEM file of a certificate and its chain, may repeat [default: the node's own]",
            file,
            repeats=True,
        ),
        Option(
            "private-key",
            None,
            "PEM file of its key, may repeat [default: in the certificate's file]",
            file,
            repeats=True,
        ),
        Option(
            "tls-trust",
            "system",
            "PEM file of authorities that others' certificates are checked by; or system, or any",
            trust,
        ),
        Option(
            "client-certificate",
            "no",
            "whether TLS clients show a certificate: no, optional or required",
            word("no", "optional", "required"),
        ),
    ],
)

signaling = Component(
    "signaling",
    "sipx.net.component.signaling",
    "transaction layer, local transport and wire trace",
    provides=["sipx.net.interfaces.ISignaling", "sipx.interfaces.IWireTrace"],
)

dns = Component(
    "dns",
    "sipx.net.component.dns",
    "finds servers by their names, and flows for URIs",
    provides=["sipx.net.interfaces.IHops"],
    requires=["sipx.net.interfaces.ISignaling"],
    options=[
        Option(
            "dns",
            None,
            "name server to ask, ADDRESS or ADDRESS:PORT, instead of those in /etc/resolv.conf",
            name_server,
            repeats=True,
        ),
    ],
)

storage = Component(
    "storage",
    "config.storage.component.storage",
    "database of this node (SQLite)",
    provides=[
        "sipx.interfaces.IJournalSink",
        "sipx.interfaces.IBindingStore",
        "sipx.interfaces.ICallRecordStore",
        "sipx.interfaces.ISubscriptionStore",
        "config.storage.interfaces.IDatabase",
    ],
    options=[
        Option(
            "cdr-days",
            "185",
            "days for which the record of a call is kept; 0: for ever",
            whole(0, 36_500),
        ),
    ],
)

configuration = Component(
    "configuration",
    "config.component.configuration",
    "users and rules: the snapshot that calls are routed by",
    provides=["sipx.interfaces.IConfiguration"],
    requires=["config.storage.interfaces.IDatabase"],
)

auth = Component(
    "auth",
    "sipx.auth.component.auth",
    "digest authentication",
    provides=["sipx.auth.interfaces.IAuthenticator"],
    requires=["sipx.interfaces.IConfiguration"],
    options=[
        Option(
            "digest",
            "md5,sha-256",
            "digest algorithms offered, in this order",
            words("md5", "sha-256"),
        ),
    ],
)

registrar = Component(
    "registrar",
    "sipx.registrar.component.registrar",
    "registrations",
    provides=["sipx.interfaces.ILocation", "sipx.interfaces.IRequestServer"],
    requires=[
        "sipx.net.interfaces.ISignaling",
        "sipx.auth.interfaces.IAuthenticator",
        "sipx.interfaces.IBindingStore",
        "sipx.interfaces.IConfiguration",
    ],
    options=[
        Option("min-expires", "30", "shortest registration, in seconds", whole(1, 86400)),
        Option("max-expires", "7200", "longest registration, in seconds", whole(60, 604800)),
    ],
)

reg = Component(
    "reg",
    "sipx.events.packages.reg.reg",
    "event package reg: who is registered where",
    provides=["sipx.events.interfaces.IEventPackage"],
    requires=["sipx.interfaces.ILocation", "sipx.interfaces.IConfiguration"],
)

events = Component(
    "events",
    "sipx.events.component.events",
    "subscriptions: SUBSCRIBE, NOTIFY and PUBLISH",
    provides=["sipx.interfaces.IRequestServer"],
    requires=[
        "sipx.net.interfaces.IHops",
        "sipx.net.interfaces.ISignaling",
        "sipx.interfaces.IConfiguration",
        "sipx.interfaces.ISubscriptionStore",
    ],
    wants=["sipx.events.interfaces.IEventPackage"],
)

proxy = Component(
    "proxy",
    "sipx.proxy.component.proxy",
    "routing, forking, record-route",
    requires=[
        "sipx.net.interfaces.IHops",
        "sipx.net.interfaces.ISignaling",
        "sipx.auth.interfaces.IAuthenticator",
        "sipx.interfaces.IConfiguration",
        "sipx.interfaces.ILocation",
    ],
    # Transports before it, so that it stops before them: it still has answers to send.
    wants=[
        "sipx.interfaces.ICallObserver",
        "sipx.interfaces.IRequestServer",
        "sipx.interfaces.ITransport",
    ],
    options=[
        Option("allow-anonymous", "yes", "whether strangers may call our users", yes_no),
        Option(
            "ring-time",
            "0",
            "seconds that a phone rings before the next group; 0: until the caller gives up",
            whole(0, 3600),
        ),
        Option("timer-c", "180", "seconds without a response that end a branch", whole(60, 3600)),
    ],
)

cdr = Component(
    "cdr",
    "sipx.cdr.component.cdr",
    "call records",
    provides=["sipx.interfaces.ICallObserver", "sipx.interfaces.IActiveCalls"],
    requires=["sipx.interfaces.ICallRecordStore"],
    options=[
        Option(
            "max-call-hours",
            "24",
            "hours after which a call without BYE or session timer is closed",
            whole(1, 8760),
        ),
    ],
)

options = Component(
    "options",
    "sipx.proxy.options.component",
    "answers OPTIONS to the node",
    provides=["sipx.interfaces.IRequestServer"],
)

api = Component(
    "api",
    "config.web.component.api",
    "REST API",
    provides=["sipx.interfaces.IApiAddress"],
    requires=[
        "config.storage.interfaces.IDatabase",
        "sipx.interfaces.IConfiguration",
    ],
    wants=[
        "sipx.interfaces.IActiveCalls",
        "sipx.interfaces.ICallRecordStore",
        "sipx.interfaces.ILocation",
        "sipx.interfaces.IWireTrace",
    ],
    options=[
        Option("http-port", "8080", "TCP port of the API", port),
        Option("http-listen", "127.0.0.1", "address of the API", address),
    ],
)

quickstart = Component(
    "quickstart",
    "config.quickstart.component.quickstart",
    "five users at first start; runs with --quickstart",
    requires=[
        "config.storage.interfaces.IDatabase",
        "sipx.interfaces.IConfiguration",
    ],
    # After all that listens: a port in use must refuse the start before there are users.
    wants=[
        "sipx.interfaces.IApiAddress",
        "sipx.interfaces.ICallObserver",
        "sipx.interfaces.ILocation",
        "sipx.interfaces.IRequestServer",
        "sipx.interfaces.ITransport",
    ],
    enabled=False,
)
