import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type {
  BatchDeleteFederatedBundleRequest,
  BatchDeleteFederatedBundleResponse,
  GetFederatedBundleRequest,
  ListFederatedBundlesRequest,
  ListFederatedBundlesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import type { Bundle, BundleMask } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { isSpiffeError, type SpiffeError } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { causeOf, type ServerCall } from '../../authorization/caller.ts'
import {
  createFederatedBundle,
  type DeleteMode,
  deleteFederatedBundle,
  type FederatedBundleState,
  setFederatedBundle,
  updateFederatedBundle,
} from '../../federation/federated-bundles.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { Cause } from '../../store/store.ts'
import { callFailure, type ItemStatus, itemFailure, okStatus } from '../failure.ts'
import { bundleFieldsOf, bundleFromProto, bundleToProto, deleteModeFromProto } from './convert.ts'
import { auditBundle } from './convert-audit.ts'
import { bundleMessages, ownTrustDomainMessage } from './messages.ts'

/** What the methods on federated bundles work on. */
export interface FederatedOptions {
  readonly trustDomain: TrustDomain
  readonly state: FederatedBundleState
}

/** A page of the bundles of other trust domains. The own one is left out after the page is cut: pages may be short. */
export function listFederatedBundles(
  { trustDomain, state }: FederatedOptions,
  call: ServerCall,
  { outputMask, pageSize, pageToken }: ListFederatedBundlesRequest,
): ListFederatedBundlesResponse {
  try {
    const page = state.registry.bundles.list({ pageSize, pageToken })
    const foreign = page.bundles.filter((bundle) => !bundle.trustDomain.equals(trustDomain))
    return {
      bundles: foreign.map((bundle) => bundleToProto(bundle, outputMask)),
      nextPageToken: page.nextPageToken,
    }
  } catch (error) {
    if (!isSpiffeError(error, 'ERR_PAGE_TOKEN')) throw error
    throw callFailure(call.log, 'internal', bundleMessages.listFailed, error)
  }
}

/** The bundle of another trust domain. An agent may read any of them. */
export function getFederatedBundle(
  { trustDomain: own, state }: FederatedOptions,
  call: ServerCall,
  { trustDomain, outputMask }: GetFederatedBundleRequest,
): Bundle {
  call.audit.addFields({ trust_domain_id: trustDomain })
  const log = call.log.with({ trust_domain_id: trustDomain })
  const name = readName(trustDomain)
  if (!(name instanceof TrustDomain)) {
    throw callFailure(log, 'invalid-argument', bundleMessages.invalidTrustDomain, name)
  }
  if (name.equals(own)) throw callFailure(log, 'invalid-argument', ownTrustDomainMessage('getting'))
  const bundle = state.registry.bundles.find(name.name)
  if (!bundle) throw callFailure(log, 'not-found', bundleMessages.notFound)
  return bundleToProto(bundle, outputMask)
}

interface BatchRequest {
  readonly bundle: readonly Bundle[]
  readonly inputMask?: BundleMask | undefined
  readonly outputMask: BundleMask | undefined
}

interface BundleResult {
  readonly status: ItemStatus
  readonly bundle: Bundle | undefined
}

/** How one of the three ways to write a bundle differs from the others. */
interface WriteKind {
  readonly doing: 'creating' | 'updating' | 'setting'
  readonly failed: string
  /** What the log says of success, and at which level. */
  readonly done: readonly ['debug' | 'info', string]
  write(
    state: FederatedBundleState,
    bundle: TrustBundle,
    mask: BundleMask | undefined,
    cause: Cause,
  ): Promise<TrustBundle>
}

const creating: WriteKind = {
  doing: 'creating',
  failed: bundleMessages.createFailed,
  done: ['debug', 'Federated bundle created'],
  write: (state, bundle, _mask, cause) => createFederatedBundle(state, bundle, cause),
}

const updating: WriteKind = {
  doing: 'updating',
  failed: bundleMessages.updateFailed,
  done: ['debug', 'Federated bundle updated'],
  write: (state, bundle, mask, cause) =>
    updateFederatedBundle(state, bundle.trustDomain, bundleFieldsOf(bundle, mask), cause),
}

const setting: WriteKind = {
  doing: 'setting',
  failed: bundleMessages.setFailed,
  done: ['info', 'Bundle set successfully'],
  write: (state, bundle, _mask, cause) => setFederatedBundle(state, bundle, cause),
}

/** The three ways to write bundles of other trust domains, each item by itself and in order. */
export const federatedWrites: Readonly<Record<'create' | 'update' | 'set', WriteKind>> = {
  create: creating,
  update: updating,
  set: setting,
}

/** Writes bundles of other trust domains. With an input mask the whole message is checked all the same. */
export async function writeFederatedBundles(
  options: FederatedOptions,
  call: ServerCall,
  kind: WriteKind,
  { bundle: bundles, inputMask, outputMask }: BatchRequest,
): Promise<{ results: BundleResult[] }> {
  const results: BundleResult[] = []
  for (const message of bundles) {
    const written = await writeItem(options, call, kind, message, inputMask)
    const isDone = 'trustDomain' in written
    const status = isDone ? okStatus : written
    results.push({ status, bundle: isDone ? bundleToProto(written, outputMask) : undefined })
    if (call.audit.isEnabled) {
      call.audit.addItem({ status, fields: auditBundle(message, inputMask) })
    }
  }
  return { results }
}

async function writeItem(
  { trustDomain: own, state }: FederatedOptions,
  call: ServerCall,
  kind: WriteKind,
  message: Bundle,
  inputMask: BundleMask | undefined,
): Promise<TrustBundle | ItemStatus> {
  const log = call.log.with({ trust_domain_id: message.trustDomain })
  const name = readName(message.trustDomain)
  if (!(name instanceof TrustDomain)) {
    return itemFailure(log, 'invalid-argument', bundleMessages.invalidTrustDomain, name)
  }
  if (name.equals(own)) {
    return itemFailure(log, 'invalid-argument', ownTrustDomainMessage(kind.doing))
  }
  let bundle: TrustBundle
  try {
    bundle = bundleFromProto(message)
  } catch (error) {
    return itemFailure(log, 'invalid-argument', bundleMessages.convertFailed, error)
  }
  try {
    const cause = causeOf(call, `federated bundle ${kind.doing}`)
    const written = await kind.write(state, bundle, inputMask, cause)
    log.log(...kind.done)
    return written
  } catch (error) {
    if (isSpiffeError(error, 'ERR_FEDERATED_BUNDLE_EXISTS')) {
      return itemFailure(log, 'already-exists', bundleMessages.exists)
    }
    if (isSpiffeError(error, 'ERR_FEDERATED_BUNDLE_NOT_FOUND')) {
      return itemFailure(log, 'not-found', bundleMessages.notFound)
    }
    return itemFailure(log, 'internal', kind.failed, error)
  }
}

/** Deletes bundles of other trust domains, each item by itself and in order. */
export async function deleteFederatedBundles(
  options: FederatedOptions,
  call: ServerCall,
  { trustDomains, mode: number }: BatchDeleteFederatedBundleRequest,
): Promise<BatchDeleteFederatedBundleResponse> {
  const mode = deleteModeFromProto(number)
  if (!mode) {
    const why = new ApiError('invalid-argument', `unhandled delete mode "${number}"`)
    throw callFailure(call.log, 'invalid-argument', bundleMessages.unknownMode, why)
  }
  const results: { status: ItemStatus; trustDomain: string }[] = []
  for (const trustDomain of trustDomains) {
    const status = await deleteItem(options, call, trustDomain, mode)
    results.push({ status, trustDomain })
    call.audit.addItem({
      status,
      fields: { trust_domain_id: trustDomain, mode: mode.toUpperCase() },
    })
  }
  return { results }
}

async function deleteItem(
  { trustDomain: own, state }: FederatedOptions,
  call: ServerCall,
  text: string,
  mode: DeleteMode,
): Promise<ItemStatus> {
  const delete_federated_bundle_mode = mode.toUpperCase()
  const log = call.log.with({ trust_domain_id: text, delete_federated_bundle_mode })
  const name = readName(text)
  if (!(name instanceof TrustDomain)) {
    return itemFailure(log, 'invalid-argument', bundleMessages.invalidTrustDomain, name)
  }
  if (name.equals(own)) return itemFailure(log, 'invalid-argument', bundleMessages.deleteOwn)
  try {
    await deleteFederatedBundle(state, name, mode, causeOf(call, 'federated bundle delete'))
    return okStatus
  } catch (error) {
    if (!isSpiffeError(error)) throw error
    if (error.kind === 'not-found') return itemFailure(log, 'not-found', bundleMessages.notFound)
    return itemFailure(log, error.kind, bundleMessages.deleteFailed, error)
  }
}

function readName(text: string): TrustDomain | SpiffeError {
  try {
    return TrustDomain.parse(text)
  } catch (error) {
    if (isSpiffeError(error)) return error
    throw error
  }
}
