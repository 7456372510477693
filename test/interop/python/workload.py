"""Drives a Workload API with the published `spiffe` package; prints JSON lines."""

import json
import sys
import threading

from spiffe import WorkloadApiClient


def x509(client, _argv):
    context = client.fetch_x509_context()
    for svid in context.x509_svids:
        bundle = context.x509_bundle_set.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        print(json.dumps({
            "id": str(svid.spiffe_id),
            "serial": str(svid.leaf.serial_number),
            "roots": len(bundle.x509_authorities),
        }))


def jwt(client, argv):
    svid = client.fetch_jwt_svid(audience={argv[0]})
    validated = client.validate_jwt_svid(token=svid.token, audience=argv[0])
    print(json.dumps({"id": str(validated.spiffe_id), "token": svid.token}))


def bundles(client, _argv):
    print(json.dumps({
        "x509": sorted(str(domain) for domain in domains(client.fetch_x509_bundles())),
        "jwt": sorted(str(domain) for domain in domains(client.fetch_jwt_bundles())),
    }))


def domains(bundle_set):
    return [bundle.trust_domain for bundle in bundle_set.bundles]


def watch(client, argv):
    left = int(argv[0])
    done = threading.Event()

    def on_success(context):
        nonlocal left
        print(json.dumps({"id": str(context.default_svid.spiffe_id), "serial": str(context.default_svid.leaf.serial_number)}), flush=True)
        left -= 1
        if left <= 0:
            done.set()

    def on_error(error):
        print(error, file=sys.stderr, flush=True)

    cancel = client.stream_x509_contexts(on_success, on_error)
    done.wait(60)
    cancel.cancel()


if __name__ == "__main__":
    operations = {"x509": x509, "jwt": jwt, "bundles": bundles, "watch": watch}
    with WorkloadApiClient(sys.argv[1]) as workload_client:
        operations[sys.argv[2]](workload_client, sys.argv[3:])
