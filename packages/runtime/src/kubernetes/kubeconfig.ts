import { dirname, resolve } from 'node:path'
import { messageOf } from '@mini-spire/sdk/errors'
import type { HttpClientCertificate } from '../http/http-client.ts'
import { listIn, objectIn, stringIn } from '../json-fields.ts'
import { type ClusterAccess, readConfigured } from './cluster-access.ts'
import type { ExecCredentials } from './exec-credentials.ts'
import { KubernetesError } from './kubernetes-error.ts'

/**
 * The cluster of a kubeconfig file's current context. Paths in the file are relative to it.
 *
 * Tokens, token files, client certificates and programs that fetch either (`exec`) are known; `auth-provider`, which
 * Kubernetes has given up, is refused.
 *
 * @param programs runs programs, and keeps what they say
 * @throws {KubernetesError} `ERR_KUBERNETES_CONFIG`
 */
export async function kubeconfigAccess(
  path: string,
  programs: Pick<ExecCredentials, 'get'>,
): Promise<ClusterAccess> {
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
  const access = {
    server: serverOf(cluster),
    roots: authority === undefined ? undefined : [authority],
    skipsVerification: Reflect.get(cluster, 'insecure-skip-tls-verify') === true,
    clientCertificate: await clientCertificate(file, user),
    authorization: authorizationOf(file, user),
  }
  return Object.hasOwn(user, 'exec')
    ? await withProgram(access, { file, user, authority, programs })
    : access
}

/** What a program says stands in for what the kubeconfig says of its user. */
async function withProgram(
  access: ClusterAccess,
  {
    file,
    user,
    authority,
    programs,
  }: {
    readonly file: ConfigFile
    readonly user: object
    readonly authority: string | undefined
    readonly programs: Pick<ExecCredentials, 'get'>
  },
): Promise<ClusterAccess> {
  const cluster = {
    server: access.server,
    ...(access.skipsVerification && { 'insecure-skip-tls-verify': true }),
    ...(authority !== undefined && {
      'certificate-authority-data': Buffer.from(authority).toString('base64'),
    }),
  }
  const program = { exec: objectIn(user, 'exec'), folder: file.folder, cluster }
  const { token, clientCertificate: certificate } = await programs.get(program)
  return {
    ...access,
    clientCertificate: certificate ?? access.clientCertificate,
    authorization: token === '' ? access.authorization : async () => `Bearer ${token}`,
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
  if (Object.hasOwn(user, 'auth-provider'))
    throw invalid(
      'auth-provider in a kubeconfig is not supported: use exec, a token or a client certificate',
    )
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
  readonly folder: string

  constructor(path: string) {
    this.folder = resolve(dirname(path))
  }

  resolve(path: string): string {
    return resolve(this.folder, path)
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
