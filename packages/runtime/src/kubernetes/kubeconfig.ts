import { dirname, resolve } from 'node:path'
import { messageOf } from '@mini-spire/sdk/errors'
import type { HttpClientCertificate } from '../http/http-client.ts'
import { listIn, objectIn, stringIn } from '../json-fields.ts'
import { type ClusterAccess, readConfigured } from './cluster-access.ts'
import { KubernetesError } from './kubernetes-error.ts'

/**
 * The cluster of a kubeconfig file's current context. Paths in the file are relative to it.
 *
 * Tokens, token files and client certificates are known; programs that fetch credentials (`exec`, `auth-provider`) are
 * refused.
 *
 * @throws {KubernetesError} `ERR_KUBERNETES_CONFIG`
 */
export async function kubeconfigAccess(path: string): Promise<ClusterAccess> {
  const text = await readConfigured(path)
  // Most daemons never read a kubeconfig.
  const { parseYaml } = await import('./yaml.ts')
  let config: unknown
  try {
    config = parseYaml(text, { maxAliasCount: 10 })
  } catch (cause) {
    throw invalid(`${path} is no YAML: ${messageOf(cause)}`)
  }
  const context = named(config, 'contexts', 'context', stringIn(config, 'current-context'))
  const cluster = named(config, 'clusters', 'cluster', stringIn(context, 'cluster'))
  const userName = stringIn(context, 'user')
  const user = userName === '' ? {} : named(config, 'users', 'user', userName)
  const file = new ConfigFile(path)
  const authority = await file.pem(cluster, 'certificate-authority')
  return {
    server: serverOf(cluster),
    roots: authority === undefined ? undefined : [authority],
    skipsVerification: Reflect.get(cluster, 'insecure-skip-tls-verify') === true,
    clientCertificate: await clientCertificate(file, user),
    authorization: authorizationOf(file, user),
  }
}

function named(config: unknown, list: string, key: string, name: string): object {
  const item = listIn(config, list).find((one) => stringIn(one, 'name') === name)
  if (item) return objectIn(item, key)
  throw invalid(`the kubeconfig has no ${key} ${JSON.stringify(name)}`)
}

function serverOf(cluster: object): string {
  for (const key of ['tls-server-name', 'proxy-url']) {
    if (stringIn(cluster, key) !== '') throw invalid(`${key} in a kubeconfig is not supported`)
  }
  const server = stringIn(cluster, 'server')
  if (!/^https?:\/\//.test(server)) throw invalid(`the cluster's server is no URL: ${server}`)
  return server.replace(/\/+$/, '')
}

async function clientCertificate(
  file: ConfigFile,
  user: object,
): Promise<HttpClientCertificate | undefined> {
  const chain = await file.pem(user, 'client-certificate')
  const key = await file.pem(user, 'client-key')
  if (chain === undefined && key === undefined) return undefined
  if (chain === undefined || key === undefined) {
    throw invalid('client-certificate and client-key must be set together')
  }
  return { chain, key }
}

function authorizationOf(file: ConfigFile, user: object): ClusterAccess['authorization'] {
  for (const key of ['exec', 'auth-provider']) {
    if (Object.hasOwn(user, key)) {
      throw invalid(`${key} in a kubeconfig is not supported: use a token or a client certificate`)
    }
  }
  const [token, tokenFile] = [stringIn(user, 'token'), stringIn(user, 'tokenFile')]
  const [userName, password] = [stringIn(user, 'username'), stringIn(user, 'password')]
  return async () => {
    if (tokenFile !== '') return `Bearer ${(await readConfigured(file.resolve(tokenFile))).trim()}`
    if (token !== '') return `Bearer ${token}`
    if (userName === '') return undefined
    return `Basic ${Buffer.from(`${userName}:${password}`).toString('base64')}`
  }
}

/** Values that a kubeconfig holds itself, as `<key>-data`, or names a file for. */
class ConfigFile {
  readonly #folder: string

  constructor(path: string) {
    this.#folder = dirname(path)
  }

  resolve(path: string): string {
    return resolve(this.#folder, path)
  }

  async pem(section: object, key: string): Promise<string | undefined> {
    const data = stringIn(section, `${key}-data`)
    if (data !== '') return Buffer.from(data, 'base64').toString('latin1')
    const path = stringIn(section, key)
    return path === '' ? undefined : await readConfigured(this.resolve(path))
  }
}

function invalid(message: string): KubernetesError {
  return new KubernetesError('ERR_KUBERNETES_CONFIG', message)
}
