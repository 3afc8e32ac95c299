"""What the fuzzer sends where the description of the API says that a body is bytes."""

import schemathesis
from hypothesis import strategies as st

# Beginnings of what the routes decode, so that some of it gets past the first octet.
beginnings = st.sampled_from([b"", b"\x30\x80", b"\x30\x03\x02\x01", b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"])
octets = st.builds(lambda beginning, rest: beginning + rest, beginnings, st.binary(max_size=512))

for media_type in ("application/pkcs7-mime", "application/pkcs10", "application/xml", "text/xml"):
    schemathesis.openapi.media_type(media_type, octets)


@schemathesis.serializer("application/pkcs7-mime", "application/pkcs10", "application/xml", "text/xml")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
