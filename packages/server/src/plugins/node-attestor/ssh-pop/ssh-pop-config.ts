import { readFileSync } from 'node:fs'
import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { parseAuthorizedKey } from '@mini-spire/runtime/ssh/authorized-key'
import { SshPublicKey } from '@mini-spire/runtime/ssh/ssh-public-key'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { misconfigured } from '../attestor-errors.ts'
import { readAgentPathTemplate } from '../read-agent-path-template.ts'
import type { SshPopOptions } from './ssh-pop.ts'

const schema = {
  cert_authorities: { type: 'strings', optional: true },
  cert_authorities_path: { type: 'string' },
  canonical_domain: { type: 'string' },
  agent_path_template: { type: 'string' },
} as const

const defaultTemplate = '/{{ .PluginName}}/{{ .Fingerprint }}'

/**
 * Reads the `plugin_data` of sshpop, the file of authorities included.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it
 */
export function readSshPopConfig(
  data: Node | undefined,
  { trustDomain, clock }: { readonly trustDomain: TrustDomain; readonly clock: Clock },
): SshPopOptions {
  const config = decodeSection(schema, data)
  const { cert_authorities: lines, cert_authorities_path: path } = config
  if (lines === undefined && path === '') {
    throw misconfigured(
      'missing required config value for "cert_authorities" or "cert_authorities_path"',
    )
  }
  const all = [...(lines ?? []), ...readLines(path)]
  if (all.length === 0) {
    throw misconfigured('failed to create cert checker: must provide at least one cert authority')
  }
  return {
    trustDomain,
    clock,
    authorities: new Set(all.map(readAuthority)),
    canonicalDomain: config.canonical_domain,
    agentPathTemplate: readAgentPathTemplate(config.agent_path_template || defaultTemplate, 'svid'),
  }
}

function readLines(path: string): readonly string[] {
  if (path === '') return []
  const what = 'failed to get cert authorities from file'
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw misconfigured(`${what}: ${osErrorText('open', path, cause)}`, cause)
  }
  const lines = text.split('\n').filter((line) => line !== '')
  if (lines.length === 0) throw misconfigured(`${what}: no data found in file: ${quoteGo(path)}`)
  return lines
}

function readAuthority(line: string): string {
  try {
    const key = parseAuthorizedKey(line)
    SshPublicKey.parse(key)
    return key.toString('base64')
  } catch (cause) {
    const why = `failed to parse public key ${quoteGo(line)}: ${messageOf(cause)}`
    throw misconfigured(`failed to create cert checker: ${why}`, cause)
  }
}
