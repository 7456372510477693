import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '@mini-spire/sdk/errors'
import type { HttpClientCertificate } from '../http/http-client.ts'
import type { Environment } from '../http/system-roots.ts'
import { KubernetesError } from './kubernetes-error.ts'

/** How a cluster's API server is reached, and as whom. */
export interface ClusterAccess {
  /** `https://host:port`, without a slash at the end. */
  readonly server: string
  /** The authorities of the server's certificate, PEM; undefined: the machine's. */
  readonly roots: readonly string[] | undefined
  /** Whether any certificate will do, as a kubeconfig may ask. */
  readonly skipsVerification: boolean
  readonly clientCertificate: HttpClientCertificate | undefined
  /** `Basic …` or `Bearer …`, read anew for each request: mounted tokens change; undefined: anonymous. */
  readonly authorization: () => Promise<string | undefined>
}

/** Where a pod finds the credentials of its service account. */
export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The cluster that this process runs in, by its service account.
 *
 * @param folder where the account's `token` and `ca.crt` are
 * @throws {KubernetesError} `ERR_KUBERNETES_CONFIG` outside a cluster
 */
export async function inClusterAccess(
  environment: Environment,
  folder: string = serviceAccountFolder,
): Promise<ClusterAccess> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment
  if (!host || !port) {
    const message =
      'unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined'
    throw new KubernetesError('ERR_KUBERNETES_CONFIG', message)
  }
  const tokenPath = join(folder, 'token')
  await readConfigured(tokenPath)
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    roots: [await readConfigured(join(folder, 'ca.crt'))],
    skipsVerification: false,
    clientCertificate: undefined,
    authorization: async () => `Bearer ${(await readConfigured(tokenPath)).trim()}`,
  }
}

/**
 * Reads a file that a configuration names.
 *
 * @throws {KubernetesError} `ERR_KUBERNETES_CONFIG`
 */
export async function readConfigured(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const message = `cannot read ${path}: ${messageOf(cause)}`
    throw new KubernetesError('ERR_KUBERNETES_CONFIG', message, { cause })
  }
}
