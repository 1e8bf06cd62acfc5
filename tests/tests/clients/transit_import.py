"""Keys that this library makes, and what it says of what a server makes with them after an import.

Arguments: `make DIRECTORY`, which leaves NAME.b64 for an import and NAME.key for itself; or
`judge DIRECTORY NAME TEXT`, with what a server made of the bytes `attack at dawn` on stdin."""

import base64
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TEXT = b"attack at dawn"
what, directory = sys.argv[1], pathlib.Path(sys.argv[2])


def pkcs8(key):
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


if what == "make":
    keys = {
        "aes256-gcm96": AESGCM.generate_key(256),
        "aes128-gcm96": AESGCM.generate_key(128),
        "ed25519": pkcs8(ed25519.Ed25519PrivateKey.generate()),
        "ecdsa-p256": pkcs8(ec.generate_private_key(ec.SECP256R1())),
        "rsa-2048": pkcs8(rsa.generate_private_key(65537, 2048)),
        "next": pkcs8(ed25519.Ed25519PrivateKey.generate()),
    }
    for name, key in keys.items():
        (directory / f"{name}.key").write_bytes(key)
        text = base64.encodebytes(key) if name == "rsa-2048" else base64.b64encode(key)
        (directory / f"{name}.b64").write_bytes(text)
    sys.exit()

name = sys.argv[3]
key = (directory / f"{name}.key").read_bytes()
made = base64.b64decode(sys.stdin.read().strip().split(":")[2])
if name.startswith("aes"):
    assert AESGCM(key).decrypt(made[:12], made[12:], None) == TEXT
    sys.exit()
private = serialization.load_der_private_key(key, None)
public = private.public_key()


def verify(signature, text):
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(signature, text)
    elif isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, text, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), hashes.SHA256())
    else:
        public.verify(signature, text, ec.ECDSA(hashes.SHA256()))


verify(made, TEXT)
try:
    verify(made, TEXT + b"!")
except InvalidSignature:
    sys.exit()
sys.exit("anything is verified")
