import { readFile } from 'node:fs/promises'
import { createSecureContext, type TlsOptions } from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import { ConfigError } from '../config/config-error.ts'
import type { PrometheusTlsConfig } from '../config/daemon-config.ts'
import { osErrorText } from '../os-error.ts'

/**
 * Reads the certificate, key and client authorities of the metrics listener. A `tls` block that cannot be honoured in
 * full is refused: what was meant to be encrypted, or shown to some only, is never served otherwise.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE` with SPIRE's texts, `ERR_CONFIG_UNSUPPORTED` for identities in place of files
 */
export async function loadPrometheusTls(config: PrometheusTlsConfig): Promise<TlsOptions> {
  checkCombination(config)
  const { certFile, keyFile, clientCaFile } = config
  const [cert, key] = await Promise.all([read(certFile), read(keyFile)])
  const pair: TlsOptions = { cert, key, minVersion: 'TLSv1.2' }
  try {
    createSecureContext(pair)
  } catch (error) {
    throw invalid(`tls: ${messageOf(error)}`, error)
  }
  if (clientCaFile === '') return pair
  const ca = await read(clientCaFile)
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw invalid('no certificates found in file')
  return { ...pair, ca, requestCert: true, rejectUnauthorized: true }
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
  if (!useSpireSvid && authorizedSpiffeIds.length === 0) return
  const name = useSpireSvid ? 'use_spire_svid' : 'authorized_spiffe_ids'
  throw new ConfigError(
    'ERR_CONFIG_UNSUPPORTED',
    `${failure}${name} is not supported by mini-spire; use cert_file, key_file and client_ca_file`,
  )
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw invalid(osErrorText('open', path, error), error)
  }
}

const failure = 'failed to create TLS config for Prometheus: '

function invalid(reason: string, cause?: unknown): ConfigError {
  return new ConfigError('ERR_CONFIG_VALUE', `${failure}${reason}`, { cause })
}
