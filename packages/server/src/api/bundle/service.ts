import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  type AppendBundleRequest,
  BundleService,
  type PublishJWTAuthorityRequest,
  type PublishJWTAuthorityResponse,
} from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { causeOf, type ServerCall } from '../../authorization/caller.ts'
import type { OwnBundle } from '../../bundle/own-bundle.ts'
import type { PublishJwtAuthority } from '../../ca/jwt-publisher.ts'
import type { JwtAuthority } from '../../model/trust-bundle.ts'
import { callFailure } from '../failure.ts'
import {
  bundleToProto,
  jwtAuthoritiesFromProto,
  jwtAuthorityToProto,
  x509AuthoritiesFromProto,
} from './convert.ts'
import { auditAuthorities, auditJwtAuthority } from './convert-audit.ts'
import { bundleMessages } from './messages.ts'
import {
  deleteFederatedBundles,
  type FederatedOptions,
  federatedWrites,
  getFederatedBundle,
  listFederatedBundles,
  writeFederatedBundles,
} from './service-federated.ts'

/** What the Bundle service works on. */
export interface BundleServiceOptions extends FederatedOptions {
  readonly ownBundle: OwnBundle
  /** Makes a downstream server wait for its share of publishing. */
  readonly limit: (call: ServerCall, count: number) => Promise<void>
  /**
   * Publishes a downstream server's JWT authority, and answers with all there are then.
   *
   * @default appends it to the own bundle
   */
  readonly publishJwtAuthority?: PublishJwtAuthority | undefined
}

type BundleHandlers = HandlersOf<typeof BundleService, ServerCall>

/** The service `spire.api.server.bundle.v1.Bundle`. */
export function bundleService(options: BundleServiceOptions): ServiceBinding<ServerCall> {
  const { trustDomain, state, ownBundle } = options
  const handlers: BundleHandlers = {
    countBundles: () => ({ count: state.registry.bundles.count() }),
    getBundle: (call, { outputMask }) => {
      call.audit.addFields({ trust_domain_id: trustDomain.name })
      const bundle = ownBundle.get()
      if (!bundle) throw callFailure(call.log, 'not-found', bundleMessages.notFound)
      return bundleToProto(bundle, outputMask)
    },
    appendBundle: (call, request) => appendBundle(options, call, request),
    publishJwtAuthority: (call, request) => publishJwtAuthority(options, call, request),
    publishWitAuthority: (call) => {
      throw callFailure(call.log, 'unimplemented', bundleMessages.witUnimplemented)
    },
    listFederatedBundles: (call, request) => listFederatedBundles(options, call, request),
    getFederatedBundle: (call, request) => getFederatedBundle(options, call, request),
    batchCreateFederatedBundle: (call, request) =>
      writeFederatedBundles(options, call, federatedWrites.create, request),
    batchUpdateFederatedBundle: (call, request) =>
      writeFederatedBundles(options, call, federatedWrites.update, request),
    batchSetFederatedBundle: (call, request) =>
      writeFederatedBundles(options, call, federatedWrites.set, request),
    batchDeleteFederatedBundle: (call, request) => deleteFederatedBundles(options, call, request),
  }
  return bindService(BundleService, handlers)
}

async function appendBundle(
  { trustDomain, ownBundle }: BundleServiceOptions,
  call: ServerCall,
  { x509Authorities, jwtAuthorities, outputMask }: AppendBundleRequest,
): Promise<Bundle> {
  if (call.audit.isEnabled) call.audit.addFields(auditAuthorities(x509Authorities, jwtAuthorities))
  if (x509Authorities.length === 0 && jwtAuthorities.length === 0) {
    throw callFailure(call.log, 'invalid-argument', bundleMessages.nothingToAppend)
  }
  const log = call.log.with({ trust_domain_id: trustDomain.name })
  const read = <Value>(failed: string, convert: () => Value): Value => {
    try {
      return convert()
    } catch (error) {
      throw callFailure(log, 'invalid-argument', failed, error)
    }
  }
  const jwt = read(bundleMessages.jwtConvertFailed, () => jwtAuthoritiesFromProto(jwtAuthorities))
  const x509 = read(bundleMessages.x509ConvertFailed, () =>
    x509AuthoritiesFromProto(x509Authorities),
  )
  try {
    const bundle = await ownBundle.append({ x509, jwt }, causeOf(call, 'bundle append'))
    return bundleToProto(bundle, outputMask)
  } catch (error) {
    throw callFailure(log, 'internal', bundleMessages.appendFailed, error)
  }
}

async function publishJwtAuthority(
  { ownBundle, limit, publishJwtAuthority: publish }: BundleServiceOptions,
  call: ServerCall,
  { jwtAuthority }: PublishJWTAuthorityRequest,
): Promise<PublishJWTAuthorityResponse> {
  if (jwtAuthority) call.audit.addFields(auditJwtAuthority(jwtAuthority))
  try {
    await limit(call, 1)
  } catch (error) {
    const kind = isSpiffeError(error) ? error.kind : 'internal'
    throw callFailure(call.log, kind, bundleMessages.publishLimited, error)
  }
  if (!jwtAuthority) {
    throw callFailure(call.log, 'invalid-argument', bundleMessages.missingJwtAuthority)
  }
  let authority: JwtAuthority | undefined
  try {
    authority = jwtAuthoritiesFromProto([jwtAuthority])[0]
  } catch (error) {
    throw callFailure(call.log, 'invalid-argument', bundleMessages.invalidJwtAuthority, error)
  }
  if (!authority) throw new ApiError('internal', bundleMessages.publishFailed)
  const cause = causeOf(call, 'jwt authority publish')
  try {
    const all = publish
      ? await publish(authority, cause)
      : (await ownBundle.append({ jwt: [authority] }, cause)).jwtAuthorities
    return { jwtAuthorities: all.map(jwtAuthorityToProto) }
  } catch (error) {
    if (!isSpiffeError(error)) throw error
    throw callFailure(call.log, 'internal', bundleMessages.publishFailed, error)
  }
}
