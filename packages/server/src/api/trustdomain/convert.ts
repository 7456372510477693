import { parseGoUrl } from '@mini-spire/runtime/go-url'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { LogFields } from '@mini-spire/runtime/log/logger'
import type {
  FederationRelationshipMask,
  FederationRelationship as FederationRelationshipMessage,
} from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { RelationshipChange } from '../../federation/relationships.ts'
import type {
  EndpointProfile,
  FederationRelationship,
} from '../../model/federation-relationship.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { bundleFromProto, bundleToProto } from '../bundle/convert.ts'
import { auditBundle } from '../bundle/convert-audit.ts'
import { labelled } from '../failure.ts'
import { otherBundleMessage, trustDomainMessages } from './messages.ts'

/** A relationship as a message brings it, with the bundle that may come with it. */
export interface GivenRelationship {
  readonly relationship: FederationRelationship
  readonly bundle: TrustBundle | undefined
}

/**
 * Reads a whole relationship, whatever a mask says.
 *
 * @throws {ApiError} `invalid-argument` naming the part
 */
export function relationshipFromProto(message: FederationRelationshipMessage): GivenRelationship {
  const trustDomain = labelled(trustDomainMessages.invalidTrustDomain, () =>
    TrustDomain.parse(message.trustDomain),
  )
  const bundleEndpointUrl = urlFromProto(message.bundleEndpointUrl)
  const profile = profileFromProto(message.bundleEndpointProfile)
  const given = message.trustDomainBundle
  const bundle = given && labelled(trustDomainMessages.invalidBundle, () => bundleFromProto(given))
  if (given && bundle && !bundle.trustDomain.equals(trustDomain)) {
    throw refused(otherBundleMessage(given.trustDomain, trustDomain.name))
  }
  return { relationship: { trustDomain, bundleEndpointUrl, profile }, bundle }
}

/** Writes a relationship with the parts that the mask selects; the trust domain always, and everything without a mask. */
export function relationshipToProto(
  { trustDomain, bundleEndpointUrl, profile }: FederationRelationship,
  bundle: TrustBundle | undefined,
  mask: FederationRelationshipMask | undefined,
): FederationRelationshipMessage {
  const has = (part: keyof FederationRelationshipMask): boolean => mask === undefined || mask[part]
  return {
    trustDomain: trustDomain.name,
    bundleEndpointUrl: has('bundleEndpointUrl') ? bundleEndpointUrl : '',
    bundleEndpointProfile: has('bundleEndpointProfile') ? profileToProto(profile) : undefined,
    trustDomainBundle:
      bundle && has('trustDomainBundle') ? bundleToProto(bundle, undefined) : undefined,
  }
}

/** The parts of a relationship that a mask selects for a change; all without one. */
export function relationshipChangeOf(
  { relationship, bundle }: GivenRelationship,
  mask: FederationRelationshipMask | undefined,
): RelationshipChange {
  const has = (part: keyof FederationRelationshipMask): boolean => mask === undefined || mask[part]
  const { bundleEndpointUrl, profile } = relationship
  return {
    ...(has('bundleEndpointUrl') && { bundleEndpointUrl }),
    ...(has('bundleEndpointProfile') && { profile }),
    ...(has('trustDomainBundle') && { bundle }),
  }
}

/** What an audit line says about a relationship: the parts that the mask selects. */
export function auditRelationship(
  message: FederationRelationshipMessage,
  mask: FederationRelationshipMask | undefined,
): LogFields {
  const has = (part: keyof FederationRelationshipMask): boolean => mask === undefined || mask[part]
  const { trustDomain, bundleEndpointProfile: profile, trustDomainBundle } = message
  const fields: Record<string, unknown> = {}
  if (trustDomain !== '') fields['trust_domain_id'] = trustDomain
  if (has('bundleEndpointUrl')) fields['bundle_endpoint_url'] = message.bundleEndpointUrl
  if (has('bundleEndpointProfile') && profile) {
    const isSpiffe = profile.$case === 'httpsSpiffe'
    fields['bundle_endpoint_profile'] = isSpiffe ? 'https_spiffe' : 'https_web'
    if (isSpiffe) fields['endpoint_spiffe_id'] = profile.httpsSpiffe.endpointSpiffeId
  }
  if (has('trustDomainBundle') && trustDomainBundle) {
    for (const [name, value] of Object.entries(auditBundle(trustDomainBundle, undefined))) {
      fields[`bundle_${name}`] = value
    }
  }
  return fields
}

function urlFromProto(text: string): string {
  const url = labelled(trustDomainMessages.invalidUrl, () => parseGoUrl(text))
  if (url.scheme !== 'https') throw refused(trustDomainMessages.notHttps)
  if (url.host === '') throw refused(trustDomainMessages.noHost)
  if (url.hasUserInfo) throw refused(trustDomainMessages.hasUserInfo)
  return url.text
}

function profileFromProto(
  profile: FederationRelationshipMessage['bundleEndpointProfile'],
): EndpointProfile {
  if (!profile) throw refused(trustDomainMessages.noProfile)
  if (profile.$case === 'httpsWeb') return { kind: 'https_web' }
  const endpointSpiffeId = labelled(trustDomainMessages.invalidEndpointId, () =>
    SpiffeId.parse(profile.httpsSpiffe.endpointSpiffeId),
  )
  return { kind: 'https_spiffe', endpointSpiffeId }
}

function profileToProto(
  profile: EndpointProfile,
): FederationRelationshipMessage['bundleEndpointProfile'] {
  if (profile.kind === 'https_web') return { $case: 'httpsWeb', httpsWeb: {} }
  const endpointSpiffeId = profile.endpointSpiffeId.toString()
  return { $case: 'httpsSpiffe', httpsSpiffe: { endpointSpiffeId } }
}

function refused(message: string): ApiError {
  return new ApiError('invalid-argument', message)
}
