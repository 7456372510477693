import { constants, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls'
import type { X509BundleSource } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { authorizeOneOf, checkPeer } from '@mini-spire/sdk/tls'
import { pemEncode } from '@mini-spire/sdk/x509'
import type { Clock } from '../clock.ts'
import { ConfigError } from '../config/config-error.ts'
import type { PrometheusTlsConfig } from '../config/daemon-config.ts'
import { quoteGo } from '../go-quote.ts'
import { osErrorText } from '../os-error.ts'
import { pqKemSettings } from '../pq-kem.ts'

/** A key and its certificates, DER, leaf first. */
export interface OwnSvid {
  readonly key: KeyObject
  readonly chain: readonly Uint8Array[]
}

/** Who the daemon is and whom it trusts, asked anew for each connection: metrics are served before there is an answer. */
export interface MetricsIdentity {
  readonly svid: () => OwnSvid | undefined
  readonly bundles: X509BundleSource
}

/** How a listener of metrics speaks TLS. */
export interface MetricsTls {
  readonly settings: TlsOptions
  /** Asked before each handshake: what is shown from now on beside the settings, or undefined when that has not changed. */
  readonly refresh?: () => Pick<SecureContextOptions, 'key' | 'cert'> | undefined
  /** Judges the certificates of a client, DER, leaf first; throws to refuse it. @default what the settings say */
  readonly verify?: (chain: readonly Uint8Array[]) => void
}

/** Options of {@link loadPrometheusTls}. */
export interface LoadPrometheusTlsOptions {
  readonly config: PrometheusTlsConfig
  readonly identity: MetricsIdentity
  readonly clock: Pick<Clock, 'now'>
  /** Speaks to nobody without a post-quantum key exchange. */
  readonly requiresPqKem: boolean
}

/**
 * Reads what the metrics listener needs for its `tls` block: files, or the daemon's own SVID, and who may connect: clients of a
 * CA, or SPIFFE IDs that the daemon's own bundles vouch for. A block that cannot be honoured in full is refused: what was meant
 * to be encrypted, or shown to some only, is never served otherwise.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE` with SPIRE's texts
 */
export async function loadPrometheusTls(options: LoadPrometheusTlsOptions): Promise<MetricsTls> {
  const { config, identity, clock } = options
  checkCombination(config)
  const ids = config.authorizedSpiffeIds.map(parseAuthorized)
  const base = options.requiresPqKem ? { ...usual, ...pqKemSettings } : usual
  const shown: MetricsTls = config.useSpireSvid
    ? ownSvid(identity, base)
    : { settings: { ...base, ...(await readPair(config)) } }
  if (ids.length > 0) {
    const authorize = authorizeOneOf(...ids)
    const { bundles } = identity
    return {
      ...shown,
      // `verify` does what Node's own check cannot.
      settings: { ...shown.settings, requestCert: true, rejectUnauthorized: false },
      verify: (chain) => void checkPeer(chain, { bundles, authorize, now: () => clock.now() }),
    }
  }
  if (config.clientCaFile === '') return shown
  const ca = await read(config.clientCaFile)
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw invalid('no certificates found in file')
  return {
    ...shown,
    settings: { ...shown.settings, ca, requestCert: true, rejectUnauthorized: true },
  }
}

/** No sessions are resumed: each connection shows its certificate. */
const usual: TlsOptions = {
  minVersion: 'TLSv1.2',
  ca: [],
  secureOptions: constants.SSL_OP_NO_TICKET,
}

function ownSvid({ svid }: MetricsIdentity, base: TlsOptions): MetricsTls {
  let shown: OwnSvid | undefined
  return {
    settings: base,
    refresh: () => {
      const now = svid()
      if (!now || (shown && isSame(now, shown))) return undefined
      shown = now
      return {
        key: now.key.export({ type: 'pkcs8', format: 'pem' }),
        cert: now.chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
      }
    },
  }
}

/** Whether two SVIDs have the same leaf: each is issued for a key of its own. */
function isSame(a: OwnSvid, b: OwnSvid): boolean {
  return Buffer.compare(a.chain[0] ?? Buffer.alloc(0), b.chain[0] ?? Buffer.alloc(0)) === 0
}

async function readPair({ certFile, keyFile }: PrometheusTlsConfig): Promise<TlsOptions> {
  // One after the other: of two files that are missing it is always the first that is named.
  const cert = await read(certFile)
  const key = await read(keyFile)
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw invalid(`tls: ${messageOf(error)}`, error)
  }
  return { cert, key }
}

function checkCombination(config: PrometheusTlsConfig): void {
  const { certFile, keyFile, clientCaFile, useSpireSvid, authorizedSpiffeIds } = config
  if (useSpireSvid && (certFile !== '' || keyFile !== '')) {
    throw invalid('cert_file and key_file cannot be configured when use_spire_svid is enabled')
  }
  if (!useSpireSvid && (certFile === '' || keyFile === '')) {
    throw invalid('cert_file and key_file must both be configured unless use_spire_svid is enabled')
  }
  if (authorizedSpiffeIds.length > 0 && clientCaFile !== '') {
    throw invalid('client_ca_file cannot be configured with authorized_spiffe_ids')
  }
}

function parseAuthorized(text: string): SpiffeId {
  try {
    return SpiffeId.parse(text)
  } catch (error) {
    throw invalid(`invalid authorized SPIFFE ID ${quoteGo(text)}: ${messageOf(error)}`, error)
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw invalid(osErrorText('open', path, error), error)
  }
}

function invalid(reason: string, cause?: unknown): ConfigError {
  const message = `failed to create TLS config for Prometheus: ${reason}`
  return new ConfigError('ERR_CONFIG_VALUE', message, { cause })
}
