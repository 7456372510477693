import { readFileSync } from 'node:fs'
import { decodeGoJson, type JsonShape } from '@mini-spire/runtime/cli/go-json-decode'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { parseWireId } from '@mini-spire/runtime/cli/values'
import { osErrorText } from '@mini-spire/runtime/os-error'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { messageOf } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'

const string: JsonShape = { kind: 'string' }
const bool: JsonShape = { kind: 'bool' }
const int32: JsonShape = { kind: 'int32' }
const int64: JsonShape = { kind: 'int64' }
const strings: JsonShape = { kind: 'list', element: string }

const shape: JsonShape = {
  kind: 'object',
  type: 'common.RegistrationEntries',
  members: {
    entries: {
      kind: 'list',
      element: {
        kind: 'object',
        type: 'common.RegistrationEntry',
        members: {
          selectors: {
            kind: 'list',
            element: {
              kind: 'object',
              type: 'common.Selector',
              members: { type: string, value: string },
            },
          },
          parent_id: string,
          spiffe_id: string,
          x509_svid_ttl: int32,
          federates_with: strings,
          entry_id: string,
          admin: bool,
          downstream: bool,
          entryExpiry: int64,
          dns_names: strings,
          revision_number: int64,
          store_svid: bool,
          jwt_svid_ttl: int32,
          hint: string,
          created_at: int64,
          additional_attributes: {
            kind: 'object',
            type: 'common.RegistrationEntry_AdditionalAttributes',
            members: { disable_x509_svid_prefetch: bool, jwt_svid_include_jti: bool },
          },
        },
      },
    },
  },
}

interface FileEntry {
  readonly selectors?: readonly ({ readonly type?: string; readonly value?: string } | undefined)[]
  readonly parent_id?: string
  readonly spiffe_id?: string
  readonly x509_svid_ttl?: number
  readonly federates_with?: readonly string[]
  readonly entry_id?: string
  readonly admin?: boolean
  readonly downstream?: boolean
  readonly entryExpiry?: number
  readonly dns_names?: readonly string[]
  readonly revision_number?: number
  readonly store_svid?: boolean
  readonly jwt_svid_ttl?: number
  readonly hint?: string
  readonly created_at?: number
  readonly additional_attributes?: {
    readonly disable_x509_svid_prefetch?: boolean
    readonly jwt_svid_include_jti?: boolean
  }
}

/** The text of a file, or of standard input for `-`. @throws {CommandError} in Go's words */
export function readData(path: string, terminal: Terminal): string {
  if (path === '-') return Buffer.from(terminal.readInput()).toString('utf8')
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const isFolder = error instanceof Error && 'code' in error && error.code === 'EISDIR'
    throw new CommandError(osErrorText(isFolder ? 'read' : 'open', path, error))
  }
}

/** The entries of a registration file. @throws {CommandError} for the first thing that is wrong */
export function parseEntries(text: string): Entry[] {
  const file = decodeGoJson(text, shape) as
    | { readonly entries?: readonly (FileEntry | undefined)[] }
    | undefined
  return (file?.entries ?? []).map(toEntry)
}

function toEntry(entry: FileEntry | undefined): Entry {
  if (!entry) throw new CommandError('missing registration entry')
  const spiffeId = named('invalid SPIFFE ID', () => parseWireId(entry.spiffe_id ?? ''))
  const parentId = named('invalid parent ID', () => parseWireId(entry.parent_id ?? ''))
  const federatesWith = (entry.federates_with ?? []).map((name) =>
    named('invalid federated trust domain', () => TrustDomain.parse(name).name),
  )
  const attributes = entry.additional_attributes
  return {
    id: entry.entry_id ?? '',
    spiffeId,
    parentId,
    selectors: (entry.selectors ?? []).map((selector) => ({
      type: selector?.type ?? '',
      value: selector?.value ?? '',
    })),
    x509SvidTtl: entry.x509_svid_ttl ?? 0,
    jwtSvidTtl: entry.jwt_svid_ttl ?? 0,
    federatesWith,
    admin: entry.admin ?? false,
    downstream: entry.downstream ?? false,
    expiresAt: BigInt(entry.entryExpiry ?? 0),
    dnsNames: [...(entry.dns_names ?? [])],
    revisionNumber: BigInt(entry.revision_number ?? 0),
    storeSvid: entry.store_svid ?? false,
    hint: entry.hint ?? '',
    createdAt: BigInt(entry.created_at ?? 0),
    additionalAttributes: attributes && {
      disableX509SvidPrefetch: attributes.disable_x509_svid_prefetch ?? false,
      jwtSvidIncludeJti: attributes.jwt_svid_include_jti ?? false,
    },
  }
}

function named<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new CommandError(`${what}: ${messageOf(error)}`)
  }
}
