"""Tests of sipx.core.digest: vectors of the RFCs, shapes of the field, and malformed values."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.digest import (
    ALGORITHMS,
    LONGEST,
    MD5,
    SHA256,
    Challenge,
    Credentials,
    answer,
    compute_ha1,
    compute_response,
    parse_challenge,
    parse_credentials,
    verify,
)
from sipx.core.errors import RemoteError

SIPP = (
    'Digest username="200",realm="sipx-1",cnonce="6b8b4567",nc=00000001,qop=auth,'
    'uri="sip:127.0.0.1:15999",nonce="6b03fd1e402f7eed2189433afcdac68f7bdc441af933c10e4aaf2dd0",'
    'response="46890355181cecdd87179ce131db083d",algorithm=MD5'
)
MUFASA = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
    'algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
MINIMAL = 'username="u", realm="r", nonce="n", uri="sip:u", response="x"'


def parsed(value: str) -> Credentials:
    """Read credentials that are Digest."""
    credentials = parse_credentials(value)
    assert credentials is not None
    return credentials


class VectorTests(SynchronousTestCase):
    """The examples that the RFCs give."""

    def check_mufasa(self, algorithm: str, response: str) -> None:
        credentials = parsed(MUFASA.format(algorithm=algorithm, response=response))
        known = ALGORITHMS[credentials.algorithm.upper()]
        ha1 = compute_ha1(known, "Mufasa", "http-auth@example.org", "Circle of Life")
        self.assertTrue(verify(known, credentials, ha1, "GET"))
        self.assertFalse(verify(known, credentials, ha1, "POST"))
        other = compute_ha1(known, "Mufasa", "http-auth@example.org", "Circle of Lies")
        self.assertFalse(verify(known, credentials, other, "GET"))

    def test_rfc7616_md5(self) -> None:
        """RFC 7616 section 3.9.1 with MD5."""
        self.check_mufasa("MD5", "8ca523f5e9506fed4657c9700eebdbec")

    def test_rfc7616_sha256(self) -> None:
        """RFC 7616 section 3.9.1 with SHA-256."""
        self.check_mufasa(
            "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        )

    def test_rfc2617(self) -> None:
        """RFC 2617 section 3.5, whose algorithm is not named."""
        credentials = parsed(
            'Digest username="Mufasa", realm="testrealm@host.com", '
            'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, '
            'nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        self.assertEqual(credentials.algorithm, "")
        ha1 = compute_ha1(MD5, "Mufasa", "testrealm@host.com", "Circle Of Life")
        self.assertTrue(verify(MD5, credentials, ha1, "GET"))

    def test_sessions(self) -> None:
        """The -sess forms hash nonce and client nonce into HA1."""
        for name in ("MD5-sess", "SHA-256-sess"):
            algorithm = ALGORITHMS[name.upper()]
            plain = ALGORITHMS[name.upper().removesuffix("-SESS")]
            credentials = parsed(MUFASA.format(algorithm=name, response="x"))
            ha1 = compute_ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
            session = plain.digest(f"{ha1}:{credentials.nonce}:{credentials.cnonce}")
            self.assertEqual(
                compute_response(algorithm, credentials, ha1, "GET"),
                compute_response(plain, credentials, session, "GET"),
            )


class CredentialsTests(SynchronousTestCase):
    """Authorization and Proxy-Authorization values."""

    def test_sipp(self) -> None:
        """SIPp writes no spaces, and client nonce and count before the rest."""
        credentials = parsed(SIPP)
        self.assertEqual(credentials.username, "200")
        self.assertEqual(credentials.realm, "sipx-1")
        self.assertEqual(credentials.uri, "sip:127.0.0.1:15999")
        self.assertEqual(credentials.algorithm, "MD5")
        self.assertEqual(credentials.qop, "auth")
        self.assertEqual((credentials.nc, credentials.count), ("00000001", 1))
        self.assertTrue(
            verify(MD5, credentials, compute_ha1(MD5, "200", "sipx-1", "secret"), "REGISTER")
        )

    def test_shapes(self) -> None:
        """Order, case, white space and quotes are the phone's choice."""
        for value in (
            'Digest username="200", realm="r", nonce="n", uri="sip:d", response="x", '
            'algorithm=MD5, cnonce="c", qop=auth, nc=0000000a',
            'digest  NC=0000000a , QOP = "auth",\tcnonce="c", Algorithm=MD5, response="x",'
            'URI="sip:d",nonce="n",realm="r",username="200"',
            'DIGEST\tusername = "200" , realm="r",nonce=n,uri="sip:d",response=x,cnonce=c,'
            "qop=auth,nc=0000000A,algorithm=MD5 ",
            ' Digest username="2\\00", realm="\\r", nonce="n", uri="sip:d", response="x", '
            'algorithm="MD5", cnonce="c", qop="auth", nc="0000000a" ',
        ):
            credentials = parsed(value)
            self.assertEqual(credentials.username, "200", value)
            self.assertEqual(credentials.realm, "r", value)
            self.assertEqual(credentials.nonce, "n", value)
            self.assertEqual(credentials.uri, "sip:d", value)
            self.assertEqual(credentials.response, "x", value)
            self.assertEqual(credentials.algorithm, "MD5", value)
            self.assertEqual(credentials.cnonce, "c", value)
            self.assertEqual(credentials.qop, "auth", value)
            self.assertEqual(credentials.count, 10, value)

    def test_commas_and_equals_inside_quotes(self) -> None:
        """What is quoted is not looked into."""
        credentials = parsed(
            'Digest username="a, realm=\\"b\\"", realm="x=y, z", nonce="a==", uri="sip:d", '
            'response="", opaque="\\\\"'
        )
        self.assertEqual(credentials.username, 'a, realm="b"')
        self.assertEqual(credentials.realm, "x=y, z")
        self.assertEqual(credentials.nonce, "a==")
        self.assertEqual(credentials.params["opaque"], "\\")

    def test_unknown_parameters_are_kept(self) -> None:
        """Whatever else a client says can be read."""
        credentials = parsed(f'Digest {MINIMAL}, userhash=false, X-New="1, 2"')
        self.assertEqual(credentials.params["userhash"], "false")
        self.assertEqual(credentials.params["x-new"], "1, 2")

    def test_ims(self) -> None:
        """IMS phones come with empty nonce and response at first: that is not malformed."""
        credentials = parsed(
            'Digest username="200@ims", realm="ims", nonce="", uri="sip:ims", response=""'
        )
        self.assertEqual((credentials.nonce, credentials.response, credentials.qop), ("", "", ""))

    def test_other_schemes(self) -> None:
        """What is not Digest is not ours to read."""
        for value in ("", "Basic YTpi", "Bearer x", 'Digestive username="u"', "Dig"):
            self.assertIsNone(parse_credentials(value), value)
            self.assertIsNone(parse_challenge(value), value)

    def test_without_qop(self) -> None:
        """RFC 2069 answers are read and never right; neither are those for auth-int."""
        ha1 = compute_ha1(MD5, "u", "r", "p")
        ha2 = MD5.digest("REGISTER:sip:u")
        old = MD5.digest(f"{ha1}:n:{ha2}")
        credentials = parsed("Digest " + MINIMAL.replace('"x"', f'"{old}"'))
        self.assertFalse(verify(MD5, credentials, ha1, "REGISTER"))
        full = f'Digest {MINIMAL}, cnonce="c", nc=00000001, qop='
        right = compute_response(MD5, parsed(full + "auth-int"), ha1, "REGISTER")
        credentials = parsed(full.replace('"x"', f'"{right}"') + "auth-int")
        self.assertFalse(verify(MD5, credentials, ha1, "REGISTER"))

    def test_text_that_is_not_ascii(self) -> None:
        """Names are hashed as the octets they came in; a response of such is just wrong."""
        for octets in ("Jürgen".encode(), "Jürgen".encode("latin-1")):
            name = octets.decode("utf-8", "surrogateescape")
            ha1 = compute_ha1(SHA256, name, "r", "p")
            value = (
                f'Digest username="{name}", realm="r", nonce="n", uri="sip:ü", cnonce="c", '
                f'nc=00000001, qop=auth, response="%s"'
            )
            right = compute_response(SHA256, parsed(value % "x"), ha1, "REGISTER")
            self.assertTrue(verify(SHA256, parsed(value % right), ha1, "REGISTER"))
            self.assertFalse(verify(SHA256, parsed(value % "ü"), ha1, "REGISTER"))

    def test_malformed(self) -> None:
        """Each of these is refused in words, twice the same (readings are remembered)."""
        for value in (
            "Digest",
            "Digest ",
            "Digest ,",
            "Digest username",
            "Digest username=",
            'Digest username="u',
            'Digest username="u\\"',
            'Digest username="u" realm="r", nonce="n", uri="sip:u", response="x"',
            'Digest username="u"", realm="r", nonce="n", uri="sip:u", response="x"',
            f'Digest "u", {MINIMAL}',
            f"Digest , {MINIMAL}",
            f"Digest {MINIMAL},",
            f"Digest {MINIMAL},,",
            f"Digest {MINIMAL}, ,algorithm=MD5",
            f"Digest {MINIMAL} algorithm=MD5",
            f"Digest {MINIMAL}, algorithm",
            f"Digest {MINIMAL}, algorithm=",
            f"Digest {MINIMAL}, =MD5",
            f"Digest {MINIMAL}, algorithm=MD5=",
            f"Digest {MINIMAL}, algorithm=M D5",
            f"Digest {MINIMAL}, al gorithm=MD5",
            f"Digest {MINIMAL}; algorithm=MD5",
            f'Digest {MINIMAL}, a="b"c',
            f'Digest {MINIMAL}, a=b"c"',
            f'Digest {MINIMAL}, \\a="c"',
            f'Digest {MINIMAL}, username="u"',
            f'Digest {MINIMAL}, USERNAME="v"',
            f"Digest {MINIMAL}, nonce=n",
            f"Digest {MINIMAL}, qop=auth, qop=auth",
            f"Digest {MINIMAL}, nc=1",
            f"Digest {MINIMAL}, nc=0000000g",
            f"Digest {MINIMAL}, nc=+0000001",
            f'Digest {MINIMAL}, nc="0000_001"',
            f'Digest {MINIMAL}, nc="\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661"',
            f'Digest {MINIMAL}, qop=auth, cnonce="c"',
            f"Digest {MINIMAL}, qop=auth, nc=00000001",
            f'Digest {MINIMAL}, a="\0"',
            f'Digest {MINIMAL}, a="\r\nX: y"',
            f'Digest {MINIMAL}, a="\x7f"',
            f'Digest {MINIMAL}, ä="b"',
            f"Digest {MINIMAL}, a=ä",
            f"Digest {MINIMAL}, a=" + "x" * LONGEST,
            *(
                "Digest " + MINIMAL.replace(f"{name}=", f"x-{name}=")
                for name in ("username", "realm", "nonce", "uri", "response")
            ),
        ):
            for _ in range(2):
                error = self.assertRaises(RemoteError, parse_credentials, value)
                self.assertEqual(error.status, 400)
                self.assertRegex(error.reason, r"^[A-Za-z0-9 ]+$")

    def test_repr_shows_no_hash(self) -> None:
        """Credentials in a log line or a failing test do not give their response away."""
        self.assertNotIn("46890355181cecdd87179ce131db083d", repr(parsed(SIPP)))


class ChallengeTests(SynchronousTestCase):
    """WWW-Authenticate and Proxy-Authenticate values, and answers to them."""

    def test_writes(self) -> None:
        """What SIPp and phones expect: qop quoted and auth alone, algorithm a token."""
        self.assertEqual(
            str(Challenge("sipx-1", "abc")),
            'Digest realm="sipx-1", nonce="abc", algorithm=MD5, qop="auth"',
        )
        self.assertEqual(
            str(Challenge('a"b', "abc", "SHA-256", ("auth", "auth-int"), "o", True)),
            'Digest realm="a\\"b", nonce="abc", opaque="o", algorithm=SHA-256, '
            'qop="auth,auth-int", stale=true',
        )

    def test_reads(self) -> None:
        """RFC 3261 section 22.4, RFC 8760: other servers' challenges."""
        self.assertEqual(
            parse_challenge(
                'Digest realm="biloxi.com", qop="auth, auth-int", algorithm=SHA-256, '
                'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
                'opaque="5ccc069c403ebaf9f0171e9517f40e41", stale=FALSE, domain="sip:x"'
            ),
            Challenge(
                "biloxi.com",
                "dcd98b7102dd2f0e8b11d0f600bfb0c093",
                "SHA-256",
                ("auth", "auth-int"),
                "5ccc069c403ebaf9f0171e9517f40e41",
            ),
        )
        self.assertEqual(
            parse_challenge('Digest realm="r",nonce="n",stale="TRUE"'),
            Challenge("r", "n", "MD5", (), None, True),
        )
        self.assertRaises(RemoteError, parse_challenge, 'Digest realm="r"')
        self.assertRaises(RemoteError, parse_challenge, 'Digest nonce="n"')

    def test_answers(self) -> None:
        """An answer verifies after it has been written and read."""
        for name in ("MD5", "SHA-256", "MD5-sess", "sha-256"):
            challenge = Challenge("r", "n", name, opaque="o")
            text = str(answer(challenge, "u/1", "p", "INVITE", "sip:x", "c", count=17))
            credentials = parsed(text)
            algorithm = ALGORITHMS[name.upper()]
            ha1 = compute_ha1(algorithm, "u/1", "r", "p")
            self.assertTrue(verify(algorithm, credentials, ha1, "INVITE"))
            self.assertEqual(credentials.count, 17)
            self.assertEqual(credentials.params["opaque"], "o")
            self.assertIn("qop=auth", text)
            self.assertIn("nc=00000011", text)

    def test_cannot_answer(self) -> None:
        """An algorithm or a qop that we do not know."""
        for challenge in (
            Challenge("r", "n", "SHA-512-256"),
            Challenge("r", "n", qop=("auth-int",)),
            Challenge("r", "n", qop=()),
        ):
            self.assertRaises(RemoteError, answer, challenge, "u", "p", "INVITE", "sip:x", "c")


PRINTABLE = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('"\\,= \t'), max_size=40
)
TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=10)
PIECES = st.sampled_from(
    [
        *('"', "\\", ",", "=", " ", "\t", "\r\n", "\0", "ä", "\udcff", "x"),
        *("Digest ", "username=", 'realm="r"', 'nonce="n"', 'uri="sip:u"', 'response="x"'),
        *("qop=auth", "nc=00000001", "nc=", 'cnonce="c"', ", ", '", "'),
    ]
)


class PropertyTests(SynchronousTestCase):
    """What holds for every text."""

    @settings(derandomize=True, deadline=None)
    @given(st.text(max_size=200) | st.lists(PIECES, max_size=30).map("".join))
    def test_raises_nothing_else(self, text: str) -> None:
        """A parser raises RemoteError or nothing, and so does what works on its result."""
        for value in (text, f"Digest {text}", f"Digest {MINIMAL}, {text}"):
            for parse in (parse_credentials, parse_challenge):
                try:
                    parse(value)
                except RemoteError as error:
                    self.assertEqual(error.status, 400)

    @settings(derandomize=True, deadline=None)
    @given(
        PRINTABLE,
        PRINTABLE,
        PRINTABLE,
        PRINTABLE,
        PRINTABLE.filter(bool),
        st.integers(0, 2**32 - 1),
        st.dictionaries(TOKENS.map("x-".__add__).map(str.lower), PRINTABLE, max_size=3),
    )
    def test_credentials_come_back(
        self,
        username: str,
        realm: str,
        nonce: str,
        uri: str,
        cnonce: str,
        count: int,
        others: dict[str, str],
    ) -> None:
        """``parse(write(x)) == x``."""
        params = {
            "username": username,
            "realm": realm,
            "nonce": nonce,
            "uri": uri,
            "response": "0" * 32,
            "cnonce": cnonce,
            "qop": "auth",
            "nc": f"{count:08x}",
            **others,
        }
        again = parsed(str(Credentials(params)))
        self.assertEqual(again.params, params)
        self.assertEqual(again.count, count)

    @settings(derandomize=True, deadline=None)
    @given(
        st.builds(
            Challenge,
            PRINTABLE,
            PRINTABLE,
            TOKENS,
            st.lists(TOKENS, max_size=3).map(tuple),
            st.none() | PRINTABLE,
            st.booleans(),
        )
    )
    def test_challenges_come_back(self, challenge: Challenge) -> None:
        """``parse(write(x)) == x``."""
        self.assertEqual(parse_challenge(str(challenge)), challenge)
