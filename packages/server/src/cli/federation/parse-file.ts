import { decodeGoJson, type JsonShape } from '@mini-spire/runtime/cli/go-json-decode'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import type { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { parseBundle } from '../bundle/parse-bundle.ts'
import { readData } from '../entry/parse-file.ts'
import {
  hasRelationshipFlags,
  prefixed,
  type RelationshipFlagValues,
  relationshipFromFlags,
  relationshipFromInput,
} from './relationship-flags.ts'

const string: JsonShape = { kind: 'string' }

const shape: JsonShape = {
  kind: 'object',
  type: 'federation.federationRelationships',
  members: {
    federationRelationships: {
      kind: 'list',
      element: {
        kind: 'object',
        type: 'federation.federationRelationshipConfig',
        members: {
          trustDomain: string,
          bundleEndpointURL: string,
          bundleEndpointProfile: string,
          endpointSPIFFEID: string,
          trustDomainBundle: { kind: 'raw' },
          trustDomainBundleFormat: string,
        },
      },
    },
  },
}

interface FileRelationship {
  readonly trustDomain?: string
  readonly bundleEndpointURL?: string
  readonly bundleEndpointProfile?: string
  readonly endpointSPIFFEID?: string
  readonly trustDomainBundle?: unknown
  readonly trustDomainBundleFormat?: string
}

/**
 * The relationships that a command line asks for: those of a file, or the one that its flags describe.
 *
 * @throws {CommandError} for the first thing that is wrong; nothing has been sent then
 */
export function requestedRelationships(
  flags: RelationshipFlagValues,
  terminal: Terminal,
): FederationRelationship[] {
  if (flags.data === '') return [relationshipFromFlags(flags)]
  if (hasRelationshipFlags(flags)) {
    throw new CommandError(
      "cannot use other flags to specify relationship fields when 'data' flag is set",
    )
  }
  return parseRelationships(readData(flags.data, terminal))
}

function parseRelationships(text: string): FederationRelationship[] {
  const file = prefixed('failed to parse JSON', () => decodeGoJson(text, shape)) as
    | { readonly federationRelationships?: readonly (FileRelationship | undefined)[] }
    | undefined
  return (file?.federationRelationships ?? []).map((item, index) =>
    prefixed(`could not parse item ${index}`, () => toRelationship(item ?? {})),
  )
}

function toRelationship(item: FileRelationship): FederationRelationship {
  const { trustDomainBundle: bundle, trustDomainBundleFormat: format = '' } = item
  return relationshipFromInput({
    trustDomain: item.trustDomain ?? '',
    bundleEndpointUrl: item.bundleEndpointURL ?? '',
    profile: item.bundleEndpointProfile ?? '',
    endpointSpiffeId: item.endpointSPIFFEID ?? '',
    readBundle: (trustDomain) =>
      bundle === undefined
        ? undefined
        : prefixed('cannot parse bundle raw message', () => toBundle(bundle, format, trustDomain)),
  })
}

function toBundle(bundle: unknown, format: string, trustDomain: string): Bundle {
  if (format === 'pem') {
    const pem = prefixed('failed to unmarshal json', () =>
      decodeGoJson(JSON.stringify(bundle), string),
    )
    return parseBundle(Buffer.from(String(pem)), format, trustDomain)
  }
  if (format === 'spiffe') {
    return parseBundle(Buffer.from(JSON.stringify(bundle)), format, trustDomain)
  }
  throw new CommandError(`bundle format ${quoteGo(format)} is unsupported`)
}
