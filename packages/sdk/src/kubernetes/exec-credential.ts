import { badOption } from '../exchange/index.ts'
import type { Environment } from '../http/index.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'
import type { X509Svid } from '../x509-svid/index.ts'

/** What kubectl and client-go read from a program of a kubeconfig's `exec`. */
export type ExecCredential = string

/** Versions of the protocol that are spoken. */
const versions: readonly unknown[] = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
]
const longestInfo = 1024 * 1024

/** An ExecCredential with a JWT-SVID, for a cluster that has the trust domain as an OIDC issuer. */
export function tokenExecCredential(svid: JwtSvid, environment: Environment): ExecCredential {
  const { token, expiresAt } = svid
  return execCredential(environment, { expirationTimestamp: rfc3339(expiresAt), token })
}

/**
 * An ExecCredential with an X509-SVID and its key, for a cluster that trusts the trust domain's roots as client authorities.
 * Kubernetes takes the user's name from the common name: the entry needs a DNS name, which becomes it.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_OPTION`
 */
export function certificateExecCredential(
  svid: X509Svid,
  environment: Environment,
): ExecCredential {
  return execCredential(environment, {
    expirationTimestamp: rfc3339(svid.expiresAt),
    clientCertificateData: svid.marshalChainPem(),
    clientKeyData: svid.marshalKeyPem(),
  })
}

/** The answer in the version that was asked in. */
function execCredential(
  environment: Environment,
  status: Readonly<Record<string, string>>,
): ExecCredential {
  const apiVersion = askedVersion(environment['KUBERNETES_EXEC_INFO'])
  return JSON.stringify({ apiVersion, kind: 'ExecCredential', status })
}

function askedVersion(info: string | undefined): unknown {
  if (info === undefined || info === '') return versions[0]
  const asked = parse(info)
  const version = versions.find((known) => known === asked?.['apiVersion'])
  if (asked?.['kind'] !== 'ExecCredential' || version === undefined)
    throw badOption(
      'KUBERNETES_EXEC_INFO',
      `an ExecCredential of ${versions.join(' or ')} is expected`,
    )
  return version
}

function parse(info: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return info.length > longestInfo ? undefined : JSON.parse(info)
  } catch {
    return undefined
  }
}

/** client-go reads whole seconds. */
function rfc3339(instant: Date): string {
  return instant.toISOString().replace(/\.\d+Z$/, 'Z')
}
