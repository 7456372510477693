import { isIP } from 'node:net'
import { join } from 'node:path'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { domainProblem } from '@mini-spire/runtime/https/host-allowlist'
import type { WebCertificateConfig } from '@mini-spire/runtime/https/web-certificate'
import { certificateFiles } from './federation.ts'
import type { OidcDiscoveryConfig } from './resolved-config.ts'
import type { serverSchema } from './schema.ts'

type ServerKeys = Decoded<typeof serverSchema>
type DiscoveryKeys = NonNullable<ServerKeys['oidc_discovery']>

/** The `oidc_discovery` block, parsed. @throws {ConfigError} */
export function resolveOidcDiscovery(server: ServerKeys): OidcDiscoveryConfig | undefined {
  const keys = server.oidc_discovery
  if (!keys) return undefined
  if (server.disable_jwt_svids) {
    throw invalid(
      'oidc_discovery serves the keys of JWT-SVIDs, which disable_jwt_svids switches off',
    )
  }
  const issuer = parseIssuer(server.jwt_issuer)
  const domains = [...new Set([issuer.hostname, ...keys.domains])]
  for (const domain of domains) {
    const problem = domainProblem(domain)
    if (problem !== undefined) throw invalid(`oidc_discovery: ${problem}`)
  }
  return {
    issuer: server.jwt_issuer,
    pathPrefix: issuer.pathname.replace(/\/$/, ''),
    domains,
    setsKeyUse: keys.set_key_use,
    listener: resolveListener(keys, domains, server.data_dir),
  }
}

/** Relying parties compare the issuer's text with `iss`, and put the path of the document behind it [OpenID Connect Discovery 4]. */
function parseIssuer(text: string): URL {
  const refused = (why: string): Error =>
    invalid(`oidc_discovery needs jwt_issuer to be ${why}; it is ${quoteGo(text)}`)
  if (!URL.canParse(text)) throw refused('the https URL under which relying parties reach it')
  const url = new URL(text)
  if (url.protocol !== 'https:') throw refused('an https URL')
  if (/[?#]/.test(text)) throw refused('a URL without query and fragment')
  if (url.username !== '' || url.password !== '') throw refused('a URL without a user')
  if (url.href !== text && url.href !== `${text}/`) {
    throw refused(`written as every client writes it, ${quoteGo(url.href)}`)
  }
  return url
}

function resolveListener(
  keys: DiscoveryKeys,
  domainNames: readonly string[],
  dataDir: string,
): OidcDiscoveryConfig['listener'] {
  const given = [keys.acme, keys.serving_cert_file, keys.listen_socket_path || undefined]
  if (given.filter((one) => one !== undefined).length !== 1) {
    throw invalid(
      'oidc_discovery needs exactly one of acme, serving_cert_file and listen_socket_path',
    )
  }
  if (keys.listen_socket_path !== '') {
    if (keys.address !== '' || keys.port !== 0) {
      throw invalid('oidc_discovery: a listener on listen_socket_path has no address and no port')
    }
    return { kind: 'socket', path: keys.listen_socket_path }
  }
  if (keys.address !== '' && isIP(keys.address) === 0) {
    throw invalid(`oidc_discovery.address ${quoteGo(keys.address)} is not an IP address`)
  }
  const address = keys.address === '' ? undefined : keys.address
  const certificate = resolveCertificate(keys, domainNames, dataDir)
  return { kind: 'https', address, port: keys.port || 443, certificate }
}

function resolveCertificate(
  { acme, serving_cert_file: files }: DiscoveryKeys,
  domainNames: readonly string[],
  dataDir: string,
): WebCertificateConfig {
  if (files) {
    return certificateFiles({ ...files, file_sync_interval: files.file_sync_interval || '1h' })
  }
  if (acme?.tos_accepted !== true) {
    throw invalid(
      "oidc_discovery.acme.tos_accepted must be true: the authority's terms are yours to accept",
    )
  }
  return {
    kind: 'https_web',
    acme: {
      directoryUrl: acme.directory_url,
      domainNames,
      email: acme.email,
      isTosAccepted: true,
      cacheDirectory: join(dataDir, 'oidc-acme'),
    },
  }
}
