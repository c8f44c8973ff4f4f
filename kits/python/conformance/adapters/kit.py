"""The kit itself."""

import os
import sys

from watchword_verifier import InvalidToken, Options, Unavailable, Verifier

verifier = Verifier(Options(os.environ["ISSUER"], os.environ["AUDIENCE"], jwks_url=os.environ["JWKS_URL"]))
for line in sys.stdin:
    try:
        verifier.verify_sync(line.removesuffix("\n"))
        verdict = "accepted"
    except InvalidToken:
        verdict = "refused"
    except Unavailable:
        verdict = "unknown"
    print(verdict, flush=True)
