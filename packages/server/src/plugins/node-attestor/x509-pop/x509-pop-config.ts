import { readFileSync } from 'node:fs'
import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificate, pemDecode } from '@mini-spire/sdk/x509'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { readAgentPathTemplate } from '../read-agent-path-template.ts'
import type { X509PopOptions } from './x509-pop.ts'

const schema = {
  mode: { type: 'string' },
  spiffe_prefix: { type: 'string', optional: true },
  ca_bundle_path: { type: 'string' },
  ca_bundle_paths: { type: 'strings' },
  agent_path_template: { type: 'string' },
  max_intermediates: { type: 'int', optional: true },
  max_rsa_key_size: { type: 'int', optional: true },
  verify_client_ip: { type: 'bool' },
} as const

const defaults = {
  mode: 'external_pki',
  spiffePrefix: '/spire-exchange/',
  pathTemplates: {
    external_pki: '/{{ .PluginName }}/{{ .Fingerprint }}',
    spiffe: '/{{ .PluginName }}/{{ .SVIDPathTrimmed }}',
  },
  maxIntermediates: 4,
  maxRsaKeyBits: 8192,
} as const

/** What an x509pop attestor gets from its server beside its `plugin_data`. */
export interface X509PopSurroundings {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  /** Roots of the server's own bundle as they are now; for mode `spiffe`. */
  readonly ownRoots: () => readonly Certificate[]
}

/**
 * Reads the `plugin_data` of x509pop, certificate files included.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG` with the first problem, as SPIRE words it
 */
export function readX509PopConfig(
  data: Node | undefined,
  surroundings: X509PopSurroundings,
): X509PopOptions {
  const config = decodeSection(schema, data)
  const mode = config.mode || defaults.mode
  if (mode !== 'external_pki' && mode !== 'spiffe') {
    throw refused('mode can only be either spiffe or external_pki')
  }
  const trust: X509PopOptions['trust'] =
    mode === 'external_pki'
      ? { mode, roots: readRoots(config) }
      : { mode, roots: surroundings.ownRoots, pathPrefix: spiffePrefix(config) }
  return {
    trustDomain: surroundings.trustDomain,
    clock: surroundings.clock,
    trust,
    agentPathTemplate: readAgentPathTemplate(
      config.agent_path_template || defaults.pathTemplates[mode],
      'svid',
    ),
    maxIntermediates: positive(config, 'max_intermediates', defaults.maxIntermediates),
    maxRsaKeyBits: positive(config, 'max_rsa_key_size', defaults.maxRsaKeyBits),
    verifiesClientIp: config.verify_client_ip,
  }
}

function spiffePrefix(config: Decoded<typeof schema>): string {
  if (config.ca_bundle_path !== '' || config.ca_bundle_paths.length > 0) {
    throw refused('you can not use ca_bundle_path or ca_bundle_paths in spiffe mode')
  }
  const prefix = config.spiffe_prefix ?? defaults.spiffePrefix
  return prefix.endsWith('/') ? prefix : `${prefix}/`
}

function readRoots(config: Decoded<typeof schema>): readonly Certificate[] {
  const { ca_bundle_path: path, ca_bundle_paths: paths } = config
  if (path !== '' && paths.length > 0) {
    throw refused('only one of ca_bundle_path or ca_bundle_paths can be configured, not both')
  }
  const all = path === '' ? paths : [path]
  if (all.length === 0) {
    throw refused('one of ca_bundle_path or ca_bundle_paths must be configured')
  }
  return all.flatMap(readBundle)
}

function readBundle(path: string): readonly Certificate[] {
  try {
    const found = pemDecode(readFileSync(path, 'utf8'), 'CERTIFICATE').map(parseCertificate)
    if (found.length === 0) throw new Error('no certificates found in file')
    return found
  } catch (cause) {
    const text = `unable to load trust bundle ${JSON.stringify(path)}: ${goFileError(path, cause)}`
    throw new NodeAttestorError('ERR_NODE_ATTESTOR_CONFIG', text, { cause })
  }
}

/** A file error in Go's words. */
function goFileError(path: string, error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code
  if (code === 'ENOENT') return `open ${path}: no such file or directory`
  if (code === 'EACCES') return `open ${path}: permission denied`
  return messageOf(error)
}

function positive(
  config: Decoded<typeof schema>,
  key: 'max_intermediates' | 'max_rsa_key_size',
  fallback: number,
): number {
  const value = config[key]
  if (value === undefined) return fallback
  if (value <= 0) throw refused(`${key} must be greater than 0`)
  return value
}

function refused(message: string): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_ATTESTOR_CONFIG', message)
}
