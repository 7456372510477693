import { SpiffeError } from '@mini-spire/sdk/errors'
import { type AgentState, BootstrapUse } from './agent-state.ts'
import { StorageError } from './storage-error.ts'

const zeroTime = '0001-01-01T00:00:00Z'
const pemBlock = /-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----/

/**
 * Writes the state as SPIRE's `agent-data.json` has it: one line, certificates as base64 **of PEM text**, `null` for none.
 */
export function formatAgentData(state: AgentState): string {
  return JSON.stringify({
    svid: certificatesToJson(state.svid),
    bundle: certificatesToJson(state.bundle),
    reattestable: state.isReattestable,
    bootstrap_use: state.bootstrapUse,
    bootstrap_start_time: state.bootstrapStartTime?.toISOString().replace('.000Z', 'Z') ?? zeroTime,
    connection_attempts: state.connectionAttempts,
  })
}

/**
 * Reads what {@link formatAgentData} or SPIRE wrote. Members that are missing have their zero value; others are ignored.
 *
 * @throws {StorageError} `ERR_STATE_CORRUPT` naming the file and the member
 */
export function parseAgentData(text: string, path: string): AgentState {
  try {
    const json = objectFrom(JSON.parse(text))
    return {
      svid: certificatesFromJson(json['svid'], 'svid'),
      bundle: certificatesFromJson(json['bundle'], 'bundle'),
      isReattestable: booleanFrom(json['reattestable']),
      bootstrapUse: bootstrapUseFrom(json['bootstrap_use']),
      bootstrapStartTime: timeFrom(json['bootstrap_start_time']),
      connectionAttempts: countFrom(json['connection_attempts']),
    }
  } catch (error) {
    if (error instanceof SpiffeError) throw error
    const reason = error instanceof SyntaxError ? 'not valid JSON' : (error as Error).message
    throw new StorageError(
      'ERR_STATE_CORRUPT',
      `failed to unmarshal data from ${path}: ${reason}`,
      { cause: error },
    )
  }
}

function certificatesToJson(certificates: readonly Uint8Array[]): readonly string[] | null {
  if (certificates.length === 0) return null
  return certificates.map((der) => Buffer.from(pemOf(der)).toString('base64'))
}

function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function certificatesFromJson(value: unknown, member: string): readonly Uint8Array[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) throw new TypeError(`"${member}" is not a list`)
  return value.map((item, index) => {
    const text = typeof item === 'string' ? Buffer.from(item, 'base64').toString('latin1') : ''
    const base64 = pemBlock.exec(text)?.[1]
    if (base64 === undefined) throw new TypeError(`"${member}" ${index} is not a PEM certificate`)
    return Buffer.from(base64, 'base64')
  })
}

function objectFrom(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new TypeError('not a JSON object')
}

function booleanFrom(value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw new TypeError('"reattestable" is not true or false')
  return value
}

function bootstrapUseFrom(value: unknown): BootstrapUse {
  const known = Object.values(BootstrapUse).find((use) => use === value)
  return known ?? BootstrapUse.Unspecified
}

function timeFrom(value: unknown): Date | undefined {
  if (typeof value !== 'string' || value === zeroTime) return undefined
  const time = new Date(value)
  if (Number.isNaN(time.getTime())) throw new TypeError('"bootstrap_start_time" is not a time')
  return time.getTime() < 0 ? undefined : time
}

function countFrom(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0
}
