import type { Turns } from '@mini-spire/runtime/turns'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { Cause } from '../store/store.ts'
import type { AuthorityRotation } from './authority-rotation.ts'
import type { SlotState } from './authority-slot.ts'
import { type AuthorityStates, statesOf } from './authority-states.ts'
import { CaError } from './ca-error.ts'
import {
  checkActivatable,
  checkRevocableJwt,
  checkRevocableX509,
  checkTaintable,
  checkUpstream,
} from './compromised-authority.ts'
import type { Journal } from './journal.ts'
import type { JwtKey } from './jwt-key.ts'
import type { X509Ca } from './x509-ca.ts'

/** Options of {@link LocalAuthorities}. */
export interface LocalAuthoritiesOptions {
  readonly x509: AuthorityRotation<X509Ca>
  readonly jwt: AuthorityRotation<JwtKey>
  readonly bundle: OwnBundle
  readonly journal: () => Journal
  /** Shared with the schedule. */
  readonly turns: Turns
  readonly isUpstream: boolean
  readonly isJwtDisabled: boolean
}

/**
 * What an operator may do to this server's authorities by hand: prepare the next, make it sign, then taint the former one
 * (what it signed is replaced everywhere) and revoke it (nobody trusts it any more). Each waits its turn with the schedule.
 *
 * @throws {CaError} `ERR_SERVER_INITIALIZING` before an authority is active, `ERR_JWT_DISABLED` of JWT authorities when the
 *   server has none; and what each operation says of itself
 */
export class LocalAuthorities {
  readonly #options: LocalAuthoritiesOptions

  constructor(options: LocalAuthoritiesOptions) {
    this.#options = options
  }

  x509States(): AuthorityStates {
    return requireActive(statesOf(this.#options.x509.slots))
  }

  jwtStates(): AuthorityStates {
    this.#requireJwt()
    return requireActive(statesOf(this.#options.jwt.slots))
  }

  /** Prepares an X.509 authority ahead of schedule; one that is prepared already is replaced. */
  prepareX509(): Promise<SlotState> {
    return this.#inTurn(async () => {
      this.x509States()
      return (await this.#options.x509.prepare()).state
    })
  }

  /** Prepares a JWT authority ahead of schedule; one that is prepared already is replaced. */
  prepareJwt(): Promise<SlotState> {
    return this.#inTurn(async () => {
      this.jwtStates()
      return (await this.#options.jwt.prepare()).state
    })
  }

  /** Makes the prepared X.509 authority sign from now on. @throws {CaError} as {@link checkActivatable} */
  activateX509(authorityId: string): Promise<SlotState> {
    return this.#inTurn(() => activate(this.#options.x509, authorityId))
  }

  /** Makes the prepared JWT authority sign from now on. @throws {CaError} as {@link checkActivatable} */
  activateJwt(authorityId: string): Promise<SlotState> {
    return this.#inTurn(() => {
      this.#requireJwt()
      return activate(this.#options.jwt, authorityId)
    })
  }

  /**
   * Marks the old X.509 authority as compromised.
   *
   * @throws {CaError} as {@link checkTaintable}, and `ERR_UPSTREAM_AUTHORITY`
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_TAINTED`, `ERR_BUNDLE_AUTHORITY_NOT_FOUND`
   */
  taintX509(authorityId: string, cause: Cause): Promise<SlotState> {
    return this.#inTurn(async () => {
      this.#requireSelfSigned('tainted')
      const old = checkTaintable(statesOf(this.#options.x509.slots), authorityId)
      await this.#settle()
      await this.#options.bundle.taintX509(authorityId, cause)
      return old
    })
  }

  /** Marks the old JWT authority as compromised. @throws as {@link LocalAuthorities.taintX509} */
  taintJwt(authorityId: string, cause: Cause): Promise<void> {
    return this.#inTurn(async () => {
      this.#requireJwt()
      checkTaintable(statesOf(this.#options.jwt.slots), authorityId)
      await this.#settle()
      await this.#options.bundle.taintJwt(authorityId, cause)
    })
  }

  /**
   * Removes the old X.509 authority, which must be tainted, from the bundle.
   *
   * @throws {CaError} as {@link checkRevocableX509}, and `ERR_UPSTREAM_AUTHORITY`
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_UNTAINTED`, `ERR_BUNDLE_AUTHORITY_NOT_FOUND`
   */
  revokeX509(authorityId: string, cause: Cause): Promise<void> {
    return this.#inTurn(async () => {
      this.#requireSelfSigned('revoked')
      checkRevocableX509(statesOf(this.#options.x509.slots), authorityId)
      await this.#settle()
      await this.#options.bundle.revokeX509(authorityId, cause)
    })
  }

  /**
   * Removes a tainted JWT authority from the bundle.
   *
   * @throws {CaError} as {@link checkRevocableJwt}
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_UNTAINTED`, `ERR_BUNDLE_AUTHORITY_NOT_FOUND`
   */
  revokeJwt(authorityId: string, cause: Cause): Promise<void> {
    const { jwt, bundle } = this.#options
    return this.#inTurn(async () => {
      this.#requireJwt()
      const published = bundle.get()?.jwtAuthorities.map(({ keyId }) => keyId) ?? []
      checkRevocableJwt(statesOf(jwt.slots), authorityId, published)
      await this.#settle()
      await bundle.revokeJwt(authorityId, cause)
    })
  }

  /**
   * Marks the authority above, that signed the old X.509 authority, as compromised.
   *
   * @param subjectKeyId lower-case hex
   * @throws {CaError} as {@link checkUpstream}, and `ERR_NO_UPSTREAM_AUTHORITY`
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_TAINTED`, `ERR_BUNDLE_AUTHORITY_NOT_FOUND`
   */
  taintUpstream(subjectKeyId: string, cause: Cause): Promise<void> {
    return this.#changeUpstream(subjectKeyId, async (bundle) => {
      await bundle.taintX509(subjectKeyId, cause)
    })
  }

  /**
   * Removes the tainted authority above, that signed the old X.509 authority, from the bundle.
   *
   * @param subjectKeyId lower-case hex
   * @throws {CaError} as {@link LocalAuthorities.taintUpstream}
   * @throws {OwnBundleError} `ERR_BUNDLE_AUTHORITY_UNTAINTED`, `ERR_BUNDLE_AUTHORITY_NOT_FOUND`
   */
  revokeUpstream(subjectKeyId: string, cause: Cause): Promise<void> {
    return this.#changeUpstream(subjectKeyId, async (bundle) => {
      await bundle.revokeX509(subjectKeyId, cause)
    })
  }

  #changeUpstream(
    subjectKeyId: string,
    change: (bundle: OwnBundle) => Promise<void>,
  ): Promise<void> {
    const { isUpstream, x509, bundle } = this.#options
    return this.#inTurn(async () => {
      if (!isUpstream)
        throw new CaError('ERR_NO_UPSTREAM_AUTHORITY', 'upstream authority is not configured')
      checkUpstream(statesOf(x509.slots), subjectKeyId)
      await this.#settle()
      await change(bundle)
    })
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#options.turns.run(work)
  }

  #requireJwt(): void {
    if (this.#options.isJwtDisabled)
      throw new CaError('ERR_JWT_DISABLED', 'JWT functionality is disabled')
  }

  #requireSelfSigned(done: 'tainted' | 'revoked'): void {
    if (this.#options.isUpstream)
      throw new CaError(
        'ERR_UPSTREAM_AUTHORITY',
        `local authority can't be ${done} if there is an upstream authority`,
      )
  }

  /**
   * What is tainted or revoked must not be what a restart would sign with: an activation that could not be remembered is
   * remembered first, or nothing happens.
   */
  async #settle(): Promise<void> {
    await this.#options.journal().saveIfNeeded()
  }
}

async function activate<Authority>(
  rotation: AuthorityRotation<Authority>,
  authorityId: string,
): Promise<SlotState> {
  checkActivatable(statesOf(rotation.slots), authorityId)
  await rotation.rotate()
  return rotation.slots.current.state
}

function requireActive(states: AuthorityStates): AuthorityStates {
  if (!states.active) throw new CaError('ERR_SERVER_INITIALIZING', 'server is initializing')
  return states
}
