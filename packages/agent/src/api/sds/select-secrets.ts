import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { WorkloadIdentity, WorkloadView } from '../../cache/workload-view.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { ValidatorKind } from './convert-validator.ts'
import { messages } from './messages.ts'

/** Names under which a proxy can ask for what it does not know by name. */
export interface DefaultNames {
  /** The first identity. */
  readonly svid: string
  /** The own bundle. */
  readonly bundle: string
  /** All bundles, in one secret. */
  readonly allBundles: string
}

/** A secret that SDS serves. */
export type SelectedSecret =
  | { readonly kind: 'identity'; readonly name: string; readonly identity: WorkloadIdentity }
  | { readonly kind: 'bundles'; readonly name: string; readonly bundles: readonly TrustBundle[] }

/** Options of {@link selectSecrets}. */
export interface SelectSecretsOptions {
  /** As the proxy asks for them; none: everything. */
  readonly resourceNames: readonly string[]
  readonly view: WorkloadView
  readonly names: DefaultNames
  readonly validator: ValidatorKind
}

/**
 * Finds what a proxy asks for among what it may have. Of the own trust domain's ID and the two default names of bundles only the
 * first that is asked for is answered; the default name of an identity only when the first identity is not asked for by its ID.
 *
 * @throws {ApiError} invalid-argument when something is left over; internal for all bundles without the validator
 */
export function selectSecrets(options: SelectSecretsOptions): readonly SelectedSecret[] {
  const { view, names, resourceNames } = options
  const wanted = new Set(resourceNames.filter((name) => name !== ''))
  const isAll = wanted.size === 0
  const secrets: SelectedSecret[] = []
  const own = ownBundle(wanted, isAll, options)
  if (own) secrets.push(own)
  for (const bundle of view.federatedBundles) {
    const name = bundle.trustDomain.idString
    if (isAll || wanted.has(name)) secrets.push({ kind: 'bundles', name, bundles: [bundle] })
  }
  view.identities.forEach((identity, place) => {
    const id = identity.entry.spiffeId.toString()
    if (isAll || wanted.has(id)) secrets.push({ kind: 'identity', name: id, identity })
    else if (place === 0 && wanted.has(names.svid))
      secrets.push({ kind: 'identity', name: names.svid, identity })
  })
  for (const { name } of secrets) wanted.delete(name)
  if (wanted.size > 0)
    throw new ApiError('invalid-argument', messages.notAuthorized([...wanted].sort()))
  return secrets
}

function ownBundle(
  wanted: ReadonlySet<string>,
  isAll: boolean,
  { view, names, validator }: SelectSecretsOptions,
): SelectedSecret | undefined {
  const { bundle, federatedBundles } = view
  const id = bundle.trustDomain.idString
  if (isAll || wanted.has(id)) return { kind: 'bundles', name: id, bundles: [bundle] }
  if (wanted.has(names.bundle)) return { kind: 'bundles', name: names.bundle, bundles: [bundle] }
  if (!wanted.has(names.allBundles)) return undefined
  if (validator === 'roots') throw new ApiError('internal', messages.allNeedsSpiffeValidator)
  const bundles = [bundle, ...federatedBundles].sort((a, b) =>
    a.trustDomain.name < b.trustDomain.name ? -1 : 1,
  )
  return { kind: 'bundles', name: names.allBundles, bundles }
}
