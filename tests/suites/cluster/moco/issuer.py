"""What MOCO wants of cert-manager: makes the Secret of each Certificate, and gives webhooks and CRDs the CA. In a pod."""

import base64
import datetime
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubernetes import Api, Missing

GROUP = "/apis/cert-manager.io/v1"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
INJECT = "cert-manager.io/inject-ca-from"
PEM = serialization.Encoding.PEM
api = Api()


def secret(namespace, name):
    """The files of a Secret; None if it is not there yet."""
    try:
        data = api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")["data"]
    except Missing:
        return None
    return {key: base64.b64decode(value) for key, value in data.items()}


def signer_of(certificate):
    """The CA's certificate and key; None: the certificate signs itself; False: the CA is not there yet."""
    namespace, issuer = certificate["metadata"]["namespace"], certificate["spec"]["issuerRef"]["name"]
    spec = api.get(f"{GROUP}/namespaces/{namespace}/issuers/{issuer}")["spec"]
    if "selfSigned" in spec:
        return None
    files = secret(namespace, spec["ca"]["secretName"])
    if files is None:
        return False
    return (x509.load_pem_x509_certificate(files["tls.crt"]), serialization.load_pem_private_key(files["tls.key"], None))


def issue(certificate, signer):
    spec, key, now = certificate["spec"], ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spec.get("commonName") or certificate["metadata"]["name"])])
    authority, signing = (signer[0].subject, signer[1]) if signer else (subject, key)
    built = (x509.CertificateBuilder().subject_name(subject).issuer_name(authority).public_key(key.public_key())
             .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
             .not_valid_after(now + datetime.timedelta(days=30))
             .add_extension(x509.BasicConstraints(ca=spec.get("isCA", False), path_length=None), critical=True))
    if spec.get("dnsNames"):
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in spec["dnsNames"]]), critical=False)
    made = built.sign(signing, hashes.SHA256())
    mine = made.public_bytes(PEM)
    return {"tls.crt": mine, "ca.crt": signer[0].public_bytes(PEM) if signer else mine,
            "tls.key": key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())}


def issue_all():
    for certificate in api.get(f"{GROUP}/certificates")["items"]:
        namespace, name = certificate["metadata"]["namespace"], certificate["spec"]["secretName"]
        if secret(namespace, name):
            continue
        signer = signer_of(certificate)
        if signer is False:
            continue
        data = {key: base64.b64encode(value).decode() for key, value in issue(certificate, signer).items()}
        api.call("POST", f"/api/v1/namespaces/{namespace}/secrets",
                 {"metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data})
        # MOCO waits for this change of it.
        api.merge(f"{GROUP}/namespaces/{namespace}/certificates/{certificate['metadata']['name']}",
                  {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        print(f"{namespace}/{name}", flush=True)


def inject():
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        for hooks in api.get(f"{HOOKS}/{kind}")["items"]:
            source = hooks["metadata"].get("annotations", {}).get(INJECT)
            if not source or all("caBundle" in hook["clientConfig"] for hook in hooks["webhooks"]):
                continue
            namespace, name = source.split("/")
            wanted = api.get(f"{GROUP}/namespaces/{namespace}/certificates/{name}")["spec"]["secretName"]
            if files := secret(namespace, wanted):
                for hook in hooks["webhooks"]:
                    hook["clientConfig"]["caBundle"] = base64.b64encode(files["ca.crt"]).decode()
                api.call("PUT", f"{HOOKS}/{kind}/{hooks['metadata']['name']}", hooks)
                print(f"{kind}/{hooks['metadata']['name']}", flush=True)


while True:
    try:
        issue_all()
        inject()
    except (OSError, RuntimeError, Missing) as error:
        print(error, flush=True)
    time.sleep(0.5)
