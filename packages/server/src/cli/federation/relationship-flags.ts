import { readFileSync } from 'node:fs'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { osErrorText } from '@mini-spire/runtime/os-error'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import type { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { parseBundle } from '../bundle/parse-bundle.ts'

/** Flags of `federation create` and `federation update`. */
export const relationshipFlags = {
  data: {
    type: 'string',
    usage:
      "Path to a file containing federation relationships in JSON format (optional). If set to '-', read the JSON from stdin.",
  },
  trustDomain: {
    type: 'string',
    usage: 'Name of the trust domain to federate with (e.g., example.org)',
  },
  bundleEndpointURL: {
    type: 'string',
    usage:
      'URL of the SPIFFE bundle endpoint that provides the trust bundle (must use the HTTPS protocol)',
  },
  bundleEndpointProfile: {
    type: 'string',
    usage: 'Endpoint profile type (either "https_web" or "https_spiffe")',
  },
  endpointSpiffeID: {
    type: 'string',
    usage: "SPIFFE ID of the SPIFFE bundle endpoint server. Only used for 'spiffe' profile.",
  },
  trustDomainBundlePath: {
    type: 'string',
    usage: 'Path to the trust domain bundle data (optional).',
  },
  trustDomainBundleFormat: {
    type: 'string',
    usage: 'The format of the bundle data (optional). Either "pem" or "spiffe".',
    value: 'pem',
  },
} as const

/** Values of {@link relationshipFlags}. */
export type RelationshipFlagValues = Readonly<Record<keyof typeof relationshipFlags, string>>

/** A relationship as an operator writes it down. */
export interface RelationshipInput {
  readonly trustDomain: string
  readonly bundleEndpointUrl: string
  readonly profile: string
  readonly endpointSpiffeId: string
  /**
   * Reads the bundle that comes with it, if there is one.
   *
   * @param trustDomain whose bundle it is said to be
   */
  readonly readBundle: (trustDomain: string) => Bundle | undefined
}

/** The relationship that the flags describe. @throws {CommandError} for the first thing that is wrong */
export function relationshipFromFlags(flags: RelationshipFlagValues): FederationRelationship {
  const { trustDomainBundlePath: path, trustDomainBundleFormat: format } = flags
  return relationshipFromInput({
    trustDomain: flags.trustDomain,
    bundleEndpointUrl: flags.bundleEndpointURL,
    profile: flags.bundleEndpointProfile,
    endpointSpiffeId: flags.endpointSpiffeID,
    readBundle: (trustDomain) =>
      path === '' ? undefined : readBundleFile(path, format, trustDomain),
  })
}

/** Whether any flag that describes a relationship was set to something else than its default. */
export function hasRelationshipFlags(flags: RelationshipFlagValues): boolean {
  const { data: _data, trustDomainBundleFormat, ...others } = relationshipFlags
  const names = Object.keys(others) as (keyof typeof others)[]
  const isFormatGiven = flags.trustDomainBundleFormat !== trustDomainBundleFormat.value
  return isFormatGiven || names.some((name) => flags[name] !== '')
}

/** A relationship as the message says it. @throws {CommandError} for the first thing that is wrong */
export function relationshipFromInput(input: RelationshipInput): FederationRelationship {
  const { trustDomain, bundleEndpointUrl } = input
  if (trustDomain === '') throw new CommandError('trust domain is required')
  if (bundleEndpointUrl === '') throw new CommandError('bundle endpoint URL is required')
  const { bundleEndpointProfile, bundleOwner } = readProfile(input)
  const trustDomainBundle = input.readBundle(bundleOwner)
  return { trustDomain, bundleEndpointUrl, bundleEndpointProfile, trustDomainBundle }
}

/** The profile, and whose bundle SPIRE takes one beside it for: that of the endpoint's ID. */
function readProfile({ trustDomain, profile, endpointSpiffeId }: RelationshipInput): {
  readonly bundleEndpointProfile: FederationRelationship['bundleEndpointProfile']
  readonly bundleOwner: string
} {
  if (profile === 'https_web') {
    return {
      bundleEndpointProfile: { $case: 'httpsWeb', httpsWeb: {} },
      bundleOwner: trustDomain,
    }
  }
  if (profile !== 'https_spiffe') {
    throw new CommandError(`unknown bundle endpoint profile type: ${quoteGo(profile)}`)
  }
  if (endpointSpiffeId === '') {
    throw new CommandError(
      "endpoint SPIFFE ID is required if 'https_spiffe' endpoint profile is set",
    )
  }
  const id = prefixed('cannot parse bundle endpoint SPIFFE ID', () =>
    SpiffeId.parse(endpointSpiffeId),
  )
  return {
    bundleEndpointProfile: { $case: 'httpsSpiffe', httpsSpiffe: { endpointSpiffeId } },
    bundleOwner: id.trustDomain.name,
  }
}

function readBundleFile(path: string, format: string, trustDomain: string): Bundle {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new CommandError(`cannot read bundle file: ${osErrorText('open', path, error)}`)
  }
  return prefixed('cannot parse bundle file', () => parseBundle(bytes, format, trustDomain))
}

/** Runs something and puts words before what it fails with. @throws {CommandError} */
export function prefixed<Value>(prefix: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    throw new CommandError(`${prefix}: ${messageOf(error)}`)
  }
}
