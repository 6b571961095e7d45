"""Options: where a value comes from, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipx.node.options import (
    Option,
    OptionError,
    address,
    folder,
    host,
    name_server,
    port,
    whole,
    word,
    words,
    yes_no,
)

PORT = Option("sip-port", "5060", "a port", port)
LISTEN = Option("listen", None, "addresses", address, repeats=True)


class OriginTests(SynchronousTestCase):
    """The command line beats the environment, which beats the default."""

    def test_default(self) -> None:
        """Nobody says anything."""
        self.assertEqual(PORT.value((), {}), 5060)
        self.assertEqual(LISTEN.value((), {}), ())
        self.assertIsNone(Option("domain", None, "").value((), {}))

    def test_environment(self) -> None:
        """The variable is SIPX_ and the name; an empty one says nothing."""
        self.assertEqual(PORT.variable, "SIPX_SIP_PORT")
        self.assertEqual(PORT.value((), {"SIPX_SIP_PORT": "5070"}), 5070)
        self.assertEqual(PORT.value((), {"SIPX_SIP_PORT": ""}), 5060)

    def test_command_line(self) -> None:
        """The last word on the command line counts."""
        self.assertEqual(PORT.value(["5080", "5090"], {"SIPX_SIP_PORT": "5070"}), 5090)

    def test_repeats(self) -> None:
        """An option that repeats gathers a tuple, from commas too."""
        self.assertEqual(
            LISTEN.value(["10.0.0.1", "10.0.0.2"], {"SIPX_LISTEN": "10.0.0.3"}),
            ("10.0.0.1", "10.0.0.2"),
        )
        self.assertEqual(
            LISTEN.value((), {"SIPX_LISTEN": "10.0.0.3, 10.0.0.4"}), ("10.0.0.3", "10.0.0.4")
        )

    def test_sentence_names_origin(self) -> None:
        """The sentence names what was wrong: the option or the variable."""
        with self.assertRaises(OptionError) as caught:
            PORT.value(["many"], {})
        self.assertEqual(
            str(caught.exception),
            "--sip-port takes a whole number from 1 to 65535, not 'many'.",
        )
        with self.assertRaises(OptionError) as caught:
            PORT.value((), {"SIPX_SIP_PORT": "0"})
        self.assertEqual(
            str(caught.exception),
            "SIPX_SIP_PORT takes a whole number from 1 to 65535, not '0'.",
        )


class ReaderTests(SynchronousTestCase):
    """What each reader takes and refuses."""

    def test_taken(self) -> None:
        """Good texts."""
        for parse, text, value in (
            (port, "1", 1),
            (port, "65535", 65535),
            (whole(0, 3600), "0", 0),
            (word("udp", "tcp"), "TCP", "tcp"),
            (words("md5", "sha-256"), "SHA-256, md5", ("sha-256", "md5")),
            (words("md5", "sha-256"), "md5", ("md5",)),
            (yes_no, "yes", True),
            (yes_no, "No", False),
            (address, "192.168.1.5", "192.168.1.5"),
            (name_server, "192.0.2.53", ("192.0.2.53", 53)),
            (name_server, "192.0.2.53:5353", ("192.0.2.53", 5353)),
            (name_server, "2001:db8::53", ("2001:db8::53", 53)),
            (name_server, "[2001:db8::53]", ("2001:db8::53", 53)),
            (name_server, "[2001:db8::53]:5353", ("2001:db8::53", 5353)),
            (host, "PBX.Example.com", "pbx.example.com"),
            (host, "10.0.0.1", "10.0.0.1"),
            (folder, "/var/lib/sipx", Path("/var/lib/sipx")),
            (folder, "var", Path.cwd() / "var"),
        ):
            self.assertEqual(parse(text), value, text)

    def test_refused(self) -> None:
        """Bad texts."""
        for parse, text in (
            (port, "0"),
            (port, "65536"),
            (port, "-1"),
            (port, "5060x"),
            (port, "٣"),
            (port, "9" * 5000),
            (word("udp", "tcp"), "sctp"),
            (words("md5", "sha-256"), ""),
            (words("md5", "sha-256"), "md5,md5"),
            (words("md5", "sha-256"), "md5,sha-1"),
            (yes_no, "true"),
            (address, "0.0.0.0"),
            (name_server, "ns.example"),
            (name_server, "192.0.2.53:0"),
            (name_server, "192.0.2.53:x"),
            (name_server, "[::1"),
            (name_server, ""),
            (address, "::1"),
            (address, "localhost"),
            (address, "10.0.0"),
            (host, ""),
            (host, "a b"),
            (host, "a..b"),
            (host, "-a"),
            (host, "pbx:5060"),
            (host, "sip:pbx"),
            (folder, ""),
            (folder, "a\0b"),
        ):
            with self.assertRaises(ValueError, msg=text):
                parse(text)
