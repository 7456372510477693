import { accessSync, constants } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { durationMs, invalid } from '@mini-spire/runtime/config/resolve-daemon'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { WebCertificateConfig } from '@mini-spire/runtime/https/web-certificate'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Cidr } from '../model/cidr.ts'
import type { BundleEndpointConfig, BundleEndpointProfile } from './bundle-endpoint-config.ts'
import type { FederatesWithConfig, ResolvedServerConfig } from './resolved-config.ts'
import { endpointProfileSchema, relationshipProfileSchema, type serverSchema } from './schema.ts'

type ServerKeys = Decoded<typeof serverSchema>
type EndpointKeys = NonNullable<NonNullable<ServerKeys['federation']>['bundle_endpoint']>
type AcmeKeys = NonNullable<EndpointKeys['acme']>

const deprecated = { alert: true, alert_type: 'deprecated_config' }

/** The first checks of the `federation` block, made before the log is open. @throws {ConfigError} */
export function checkFederation(server: ServerKeys): void {
  const acme = server.federation?.bundle_endpoint?.acme
  if (acme?.domain_name === '') {
    throw invalid('federation.bundle_endpoint.acme.domain_name must be configured')
  }
  if (acme?.email === '') throw invalid('federation.bundle_endpoint.acme.email must be configured')
  for (const [name, keys] of server.federation?.federates_with ?? []) {
    const key = `federation.federates_with["${name}"].bundle_endpoint_url`
    const url = keys.bundle_endpoint_url
    if (url === '') throw invalid(`${key} must be configured`)
    if (!url.toLowerCase().startsWith('https://')) {
      throw invalid(`${key} must use the HTTPS protocol; URL found: ${quoteGo(url)}`)
    }
  }
}

/** The `federation` block, parsed. @throws {ConfigError} */
export function resolveFederation(
  server: ServerKeys,
  own: TrustDomain,
  log: Logger,
): ResolvedServerConfig['federation'] {
  const keys = server.federation
  if (!keys) return { bundleEndpoint: undefined, federatesWith: [], redirectsMayLeadTo: [] }
  const bundleEndpoint =
    keys.bundle_endpoint && resolveEndpoint(keys.bundle_endpoint, server.data_dir, log)
  const federatesWith = [...keys.federates_with].map(([name, relationship]) =>
    resolveRelationship(name, relationship),
  )
  const self = federatesWith.find(({ trustDomain }) => trustDomain.equals(own))
  if (self) {
    throw invalid(`federation.federates_with["${own}"] is the trust domain of this server itself`)
  }
  const redirectsMayLeadTo = keys.redirects_may_lead_to.map((text) =>
    parseCidr(text, 'federation.redirects_may_lead_to'),
  )
  return { bundleEndpoint, federatesWith, redirectsMayLeadTo }
}

function resolveEndpoint(keys: EndpointKeys, dataDir: string, log: Logger): BundleEndpointConfig {
  let refreshHintMs = 300_000
  if (keys.refresh_hint !== '') {
    const text = keys.refresh_hint
    refreshHintMs = durationMs(text, `could not parse refresh_hint ${quoteGo(text)}: `)
    if (refreshHintMs >= 86_400_000) {
      log.warn(
        "Bundle endpoint refresh hint set to a high value. To cover the case of unscheduled trust bundle updates, it's recommended to have a smaller value, e.g. 5m",
      )
    }
    if (refreshHintMs < 60_000) {
      log.warn(
        'Bundle endpoint refresh hint set too low. SPIRE will not refresh more often than 1 minute',
      )
    }
  }
  const profile = resolveEndpointProfile(keys, dataDir, log)
  const address = isIP(keys.address) === 0 ? undefined : keys.address
  if (address === undefined && keys.address !== '') {
    log.warn('Bundle endpoint address is not an IP address; all addresses are listened on', {
      address: keys.address,
    })
  }
  return { address, port: keys.port, refreshHintMs, profile }
}

function resolveEndpointProfile(
  keys: EndpointKeys,
  dataDir: string,
  log: Logger,
): BundleEndpointProfile {
  if (keys.acme && keys.profile) {
    throw invalid("either bundle endpoint 'acme' or 'profile' can be set, but not both")
  }
  if (keys.acme) {
    log.warn(
      'ACME configuration within the bundle_endpoint is deprecated. Please use ACME configuration as part of the https_web profile instead.',
      deprecated,
    )
    return acmeProfile(keys.acme, join(dataDir, 'bundle-acme'))
  }
  if (!keys.profile) {
    log.warn(
      'Bundle endpoint is configured but has no profile set, using https_spiffe as default; please configure a profile explicitly. This will be fatal in a future release.',
      deprecated,
    )
    return { kind: 'https_spiffe' }
  }
  return resolveServingProfile(keys.profile, join(dataDir, 'bundle-acme'))
}

/** How an HTTPS endpoint authenticates itself. @throws {ConfigError} */
export function resolveServingProfile(node: Node, acmeDirectory: string): BundleEndpointProfile {
  const profile = decodeSection(endpointProfileSchema, onlyProfile(node))
  const web = profile.https_web
  if (web?.acme) return acmeProfile(web.acme, acmeDirectory)
  if (web?.serving_cert_file) return certificateFiles(web.serving_cert_file)
  if (web) {
    throw invalid(
      "malformed https_web profile configuration: 'acme' or 'serving_cert_file' is required",
    )
  }
  if (profile.https_spiffe) return { kind: 'https_spiffe' }
  throw invalid(
    'unknown bundle endpoint profile configured; current supported profiles are "https_spiffe" and \'https_web"',
  )
}

function acmeProfile(acme: AcmeKeys, cacheDirectory: string): BundleEndpointProfile {
  return {
    kind: 'https_web',
    acme: {
      directoryUrl: acme.directory_url,
      domainNames: [acme.domain_name],
      email: acme.email,
      isTosAccepted: acme.tos_accepted,
      cacheDirectory,
    },
  }
}

/** A `serving_cert_file` block: files that can be read. @throws {ConfigError} */
export function certificateFiles(keys: {
  readonly cert_file_path: string
  readonly key_file_path: string
  readonly file_sync_interval: string
}): WebCertificateConfig {
  const syncIntervalMs = durationMs(keys.file_sync_interval, '') || 3_600_000
  for (const path of [keys.cert_file_path, keys.key_file_path]) {
    try {
      accessSync(path, constants.R_OK)
    } catch (error) {
      throw invalid(`failed to load certificate: ${osErrorText('open', path, error)}`)
    }
  }
  return {
    kind: 'https_web_files',
    certFile: keys.cert_file_path,
    keyFile: keys.key_file_path,
    syncIntervalMs,
  }
}

function resolveRelationship(
  name: string,
  keys: {
    readonly bundle_endpoint_url: string
    readonly bundle_endpoint_profile: Node | undefined
  },
): FederatesWithConfig {
  const trustDomain = parseName(name)
  if (!keys.bundle_endpoint_profile) {
    throw invalid(
      `federation configuration for trust domain ${quoteGo(name)}: missing bundle endpoint configuration`,
    )
  }
  try {
    const profile = resolveRelationshipProfile(keys.bundle_endpoint_profile)
    return { trustDomain, bundleEndpointUrl: keys.bundle_endpoint_url, profile }
  } catch (error) {
    throw invalid(
      `error parsing federation relationship for trust domain ${quoteGo(name)}: ${messageOf(error)}`,
    )
  }
}

/** Reads a network as `address/prefix`. @throws {ConfigError} naming the key */
export function parseCidr(text: string, key: string): Cidr {
  const [network = '', prefix = '', ...rest] = text.split('/')
  const bits = isIP(network) === 4 ? 32 : isIP(network) === 6 ? 128 : -1
  if (rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits) {
    return `${network}/${Number(prefix)}`
  }
  throw invalid(`${key}: ${quoteGo(text)} is not a network as address/prefix`)
}

function parseName(name: string): TrustDomain {
  try {
    return TrustDomain.parse(name)
  } catch (error) {
    throw invalid(messageOf(error))
  }
}

function resolveRelationshipProfile(node: Node): FederatesWithConfig['profile'] {
  const profile = decodeSection(relationshipProfileSchema, onlyProfile(node))
  if (profile.https_web) return { kind: 'https_web' }
  if (!profile.https_spiffe) {
    throw invalid(
      'no bundle endpoint profile defined; current supported profiles are "https_spiffe" and \'https_web"',
    )
  }
  const text = profile.https_spiffe.endpoint_spiffe_id
  try {
    return { kind: 'https_spiffe', endpointSpiffeId: SpiffeId.parse(text) }
  } catch (error) {
    throw invalid(`could not get endpoint SPIFFE ID: ${messageOf(error)}`)
  }
}

function onlyProfile(node: Node): Node {
  if (node.kind !== 'object-list') throw invalid('malformed configuration')
  if (node.items.length !== 1) throw invalid('exactly one bundle endpoint profile is expected')
  return node
}
