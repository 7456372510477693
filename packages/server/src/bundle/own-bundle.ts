import { Turns } from '@mini-spire/runtime/turns'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { JwtAuthority, TrustBundle, X509Authority } from '../model/trust-bundle.ts'
import type { Cause, Store } from '../store/store.ts'
import { appended, findX509Authority, type NewAuthorities, pruned } from './authorities.ts'
import { OwnBundleError } from './bundle-error.ts'

/** Where the bundles are read: the registry. */
export interface BundleReader {
  find(trustDomainName: string): TrustBundle | undefined
}

/** Options of {@link OwnBundle}. */
export interface OwnBundleOptions {
  readonly trustDomain: TrustDomain
  readonly store: Pick<Store, 'commit'>
  readonly bundles: BundleReader
}

/** How often a change is tried again when another server changed the bundle meanwhile. */
const maxAttempts = 16

/** A bundle computed from what it is now; undefined: no change. */
export type Change = (bundle: TrustBundle) => TrustBundle | undefined

/**
 * The trust bundle of the server's own trust domain: what it, and every other server on the same store, signs with.
 *
 * Each change is read-modify-write: it is committed only if the bundle is still the one it was computed from, else computed
 * again. The sequence number grows by one with each change; what changes nothing writes nothing.
 */
export class OwnBundle {
  readonly #options: OwnBundleOptions
  /** Changes of this server wait for each other, so that only other servers can get in between. */
  readonly #turns = new Turns()

  constructor(options: OwnBundleOptions) {
    this.#options = options
  }

  get trustDomain(): TrustDomain {
    return this.#options.trustDomain
  }

  /** The bundle, or undefined before the first authority was added. */
  get(): TrustBundle | undefined {
    return this.#options.bundles.find(this.#options.trustDomain.name)
  }

  /**
   * Adds authorities, and creates the bundle when there is none. Those that are there already are left as they are, their
   * tainted mark included.
   *
   * @returns the bundle with them
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_MALFORMED`, `ERR_BUNDLE_CONTENDED`
   */
  async append(added: NewAuthorities, cause: Cause): Promise<TrustBundle> {
    return await this.#turns.run(() =>
      this.#commitWithRetry((bundle) => withAuthorities(bundle, added), cause),
    )
  }

  /**
   * Changes the bundle by a computation that may run again: when others change the bundle meanwhile. It returns undefined to
   * change nothing, and is given an empty bundle when there is none.
   *
   * @returns the bundle afterwards
   * @throws {OwnBundleError} `ERR_BUNDLE_CONTENDED`; what the computation throws
   */
  async update(compute: Change, cause: Cause): Promise<TrustBundle> {
    return await this.#turns.run(() => this.#commitWithRetry(compute, cause))
  }

  /**
   * Marks an X.509 authority as compromised: everybody replaces what it signed, nobody stops trusting it yet.
   *
   * @param subjectKeyId lower-case hex
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_NOT_FOUND`, `ERR_BUNDLE_AUTHORITY_TAINTED`
   */
  async taintX509(subjectKeyId: string, cause: Cause): Promise<X509Authority> {
    return await this.#change(cause, (bundle) => {
      const found = findX509Authority(bundle.x509Authorities, subjectKeyId)
      if (!found) throw notFound('no ca found with provided subject key ID')
      if (found.tainted) throw alreadyTainted('root CA is already tainted')
      const tainted = { ...found, tainted: true }
      const x509Authorities = replaced(bundle.x509Authorities, found, tainted)
      return { bundle: { ...bundle, x509Authorities }, result: tainted }
    })
  }

  /**
   * Removes a tainted X.509 authority: nobody trusts what it signed any more.
   *
   * @param subjectKeyId lower-case hex
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_NOT_FOUND`, `ERR_BUNDLE_AUTHORITY_UNTAINTED`
   */
  async revokeX509(subjectKeyId: string, cause: Cause): Promise<X509Authority> {
    return await this.#change(cause, (bundle) => {
      const found = findX509Authority(bundle.x509Authorities, subjectKeyId)
      if (!found) throw notFound('no root CA found with provided subject key ID')
      if (!found.tainted) throw untainted('it is not possible to revoke an untainted root CA')
      const x509Authorities = bundle.x509Authorities.filter((one) => one !== found)
      return { bundle: { ...bundle, x509Authorities }, result: found }
    })
  }

  /**
   * Marks a JWT authority as compromised.
   *
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_NOT_FOUND`, `ERR_BUNDLE_AUTHORITY_TAINTED`
   */
  async taintJwt(keyId: string, cause: Cause): Promise<JwtAuthority> {
    return await this.#change(cause, (bundle) => {
      const found = findJwtAuthority(bundle, keyId)
      if (found.tainted) throw alreadyTainted('key is already tainted')
      const tainted = { ...found, tainted: true }
      const jwtAuthorities = replaced(bundle.jwtAuthorities, found, tainted)
      return { bundle: { ...bundle, jwtAuthorities }, result: tainted }
    })
  }

  /**
   * Removes a tainted JWT authority.
   *
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_NOT_FOUND`, `ERR_BUNDLE_AUTHORITY_UNTAINTED`
   */
  async revokeJwt(keyId: string, cause: Cause): Promise<JwtAuthority> {
    return await this.#change(cause, (bundle) => {
      const found = findJwtAuthority(bundle, keyId)
      if (!found.tainted) throw untainted('it is not possible to revoke an untainted key')
      const jwtAuthorities = bundle.jwtAuthorities.filter((one) => one !== found)
      return { bundle: { ...bundle, jwtAuthorities }, result: found }
    })
  }

  /**
   * Removes authorities that expired at or before an instant.
   *
   * @returns whether any did
   * @throws {OwnBundleError} `ERR_BUNDLE_PRUNE_REFUSED` when nothing would be left to verify with
   */
  async prune(expiredAt: Date, cause: Cause): Promise<boolean> {
    const before = this.get()
    if (!before) return false
    const after = await this.#turns.run(() =>
      this.#commitWithRetry((bundle) => {
        const lists = pruned(bundle, expiredAt.getTime())
        return lists && { ...bundle, ...lists }
      }, cause),
    )
    return after !== before
  }

  async #change<Result>(
    cause: Cause,
    compute: (bundle: TrustBundle) => { readonly bundle: TrustBundle; readonly result: Result },
  ): Promise<Result> {
    return await this.#turns.run(async () => {
      if (!this.get()) throw new OwnBundleError('ERR_BUNDLE_NOT_FOUND', 'bundle not found')
      let result: Result | undefined
      await this.#commitWithRetry((bundle) => {
        const computed = compute(bundle)
        result = computed.result
        return computed.bundle
      }, cause)
      return result as Result
    })
  }

  async #commitWithRetry(change: Change, cause: Cause): Promise<TrustBundle> {
    const { trustDomain, store } = this.#options
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const before = this.get()
      const changed = change(before ?? emptyBundle(trustDomain))
      if (!changed) return before ?? emptyBundle(trustDomain)
      const value = before ? { ...changed, sequenceNumber: before.sequenceNumber + 1 } : changed
      const [refusal] = await store.commit([
        {
          cause,
          mutations: [
            {
              op: 'put',
              kind: 'bundle',
              key: trustDomain.name,
              value,
              expect: before ? { unchanged: before } : 'absent',
            },
          ],
        },
      ])
      if (!refusal) return this.get() ?? value
      if (!isLostRace(refusal)) throw refusal
    }
    throw new OwnBundleError(
      'ERR_BUNDLE_CONTENDED',
      `the bundle was changed by others ${maxAttempts} times in a row`,
    )
  }
}

function withAuthorities(bundle: TrustBundle, added: NewAuthorities): TrustBundle | undefined {
  const lists = appended(bundle, added)
  return lists && { ...bundle, ...lists }
}

function emptyBundle(trustDomain: TrustDomain): TrustBundle {
  return {
    trustDomain,
    x509Authorities: [],
    jwtAuthorities: [],
    refreshHintSeconds: 0,
    sequenceNumber: 0,
  }
}

function isLostRace(refusal: Error): boolean {
  return (
    isSpiffeError(refusal, 'ERR_RECORD_CHANGED') ||
    isSpiffeError(refusal, 'ERR_RECORD_EXISTS') ||
    isSpiffeError(refusal, 'ERR_RECORD_NOT_FOUND')
  )
}

function findJwtAuthority(bundle: TrustBundle, keyId: string): JwtAuthority {
  const found = bundle.jwtAuthorities.find((one) => one.keyId === keyId)
  if (!found) throw notFound('no JWT Key found with provided key ID')
  return found
}

function replaced<Item>(list: readonly Item[], old: Item, fresh: Item): readonly Item[] {
  return list.map((one) => (one === old ? fresh : one))
}

function notFound(message: string): OwnBundleError {
  return new OwnBundleError('ERR_BUNDLE_AUTHORITY_NOT_FOUND', message)
}

function alreadyTainted(message: string): OwnBundleError {
  return new OwnBundleError('ERR_BUNDLE_AUTHORITY_TAINTED', message)
}

function untainted(message: string): OwnBundleError {
  return new OwnBundleError('ERR_BUNDLE_AUTHORITY_UNTAINTED', message)
}
