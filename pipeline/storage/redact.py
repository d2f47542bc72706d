"""Removes secrets from URIs and error texts."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
# A run of letters is scanned once, from its first one: else the time would grow with the square of its length.
# A quotation mark or a bracket ends a URI that is quoted in a text; neither may be in a URI unescaped.
_URI_IN_TEXT = re.compile(r"(?<![A-Za-z0-9+.\-])[0-9+.\-]*(" + _SCHEME.pattern + r"[^\s\"<>]*)")
_CLOSING = "'`)]},.;:"
# A host, or an IPv6 address in brackets, and perhaps a port.
_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
# What clients quote without the URI around it: the parameters of signed URLs and of token requests.
_PARAMETER = re.compile(r"(?<![A-Za-z_-])([A-Za-z_-]+)=[^\s&\"'<>,;]+")
_SECRET_NAME = re.compile(
    r"(?i)signature|token|secret|password|credential"
    r"|(?:^|[-_])(?:x-(?:amz|goog)-[a-z-]+|sig|awsaccesskeyid|accountkey|api_?key|access_?key(?:_?id)?)$"
)


def has_scheme(uri: str) -> bool:
    return _SCHEME.match(uri) is not None


def redact_uri(uri: str) -> str:
    """`uri` without user information, query string and fragment; a local name without a scheme is unchanged.

    Bytes of a name that are not UTF-8 are written as `\\xff`, since tables and terminals cannot show them.

    If a password contains an unescaped `/`, `?` or `#`, everything up to the last `@` counts as user information: if in
    doubt, too much is removed rather than too little.
    """
    match = _SCHEME.match(uri)
    if match is None:
        return as_utf8(uri)
    rest = uri[match.end() :]
    location = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority = location.partition("/")[0]
    if "@" in authority or (":" in authority and "@" in location):
        location = location.rpartition("@")[2]
    elif not _PORT.fullmatch(authority):
        location = rest.rpartition("@")[2] if "@" in rest else authority.partition(":")[0]
    return as_utf8(match.group() + _without_path_parameters(re.split(r"[?#]", location, maxsplit=1)[0]))


def as_utf8(text: str) -> str:
    """`text` with everything that UTF-8 cannot encode escaped, as in `\\xff` for a byte of a file name."""
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        except UnicodeEncodeError:
            return text.encode("utf-8", "backslashreplace").decode()
    return text


def redact_text(text: str, *uris: str) -> str:
    """`text` with each of `uris`, every other URI and every parameter with a known secret name redacted."""
    for uri in sorted(uris, key=len, reverse=True):
        if uri:
            text = text.replace(uri, redact_uri(uri))
    text = _URI_IN_TEXT.sub(_redact_match, as_utf8(text))
    return _PARAMETER.sub(_redact_parameter, text)


def _redact_match(match: re.Match[str]) -> str:
    uri = match.group(1).rstrip(_CLOSING)
    return match.group().removesuffix(match.group(1)) + redact_uri(uri) + match.group(1)[len(uri) :]


def _redact_parameter(match: re.Match[str]) -> str:
    return f"{match.group(1)}=[redacted]" if _SECRET_NAME.search(match.group(1)) else match.group()


def _without_path_parameters(path: str) -> str:
    # RFC 3986 section 3.3: a path segment may carry ;name=value, where some servers put session ids.
    return re.sub(r";[^/=;]*=[^/;]*", "", path)
