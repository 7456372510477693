import { certificatePolicies, type X509Extension } from '@mini-spire/runtime/x509/extensions'
import { messageOf } from '@mini-spire/sdk/errors'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type {
  ComposedIdentity,
  CredentialComposer,
  JwtSvidClaims,
  X509CaAttributes,
  X509SvidAttributes,
} from '../plugins/credential-composer/credential-composer.ts'
import { CaError } from './ca-error.ts'

/** Whose X509-SVID is composed. */
export type SvidHolder = 'server' | 'agent' | 'workload'

const dottedOid = /^[0-2](\.(0|[1-9]\d*))+$/

/**
 * The credential composers of a server, asked one after the other in the order of the configuration. What they return is not
 * trusted: it must be something that can be written, and who signs it checks the result.
 *
 * @throws {CaError} `ERR_COMPOSER_FAILED` from each method when a composer fails, or returns what cannot be written
 */
export class CredentialComposers {
  readonly #composers: readonly CredentialComposer[]

  constructor(composers: readonly CredentialComposer[] = []) {
    this.#composers = composers
  }

  /** Whether there is nobody to ask. */
  get isEmpty(): boolean {
    return this.#composers.length === 0
  }

  /** A root, a request to the upstream authority, a downstream CA. */
  async x509Ca(attributes: X509CaAttributes): Promise<X509CaAttributes> {
    return await this.#each(attributes, async (composer, current) => {
      const composed = (await composer.composeServerX509Ca?.(current)) ?? current
      checkExtensions(composed)
      for (const oid of composed.policyIdentifiers) checkOid(oid)
      return composed
    })
  }

  async x509Svid(
    holder: SvidHolder,
    identity: ComposedIdentity,
    attributes: X509SvidAttributes,
  ): Promise<X509SvidAttributes> {
    return await this.#each(attributes, async (composer, current) => {
      const composed = (await composeSvid(composer, holder, identity, current)) ?? current
      checkExtensions(composed)
      for (const name of composed.dnsNames) checkDnsName(name)
      return composed
    })
  }

  /** Claims; times that came back as other numbers are whole seconds again. */
  async jwtSvid(spiffeId: SpiffeId, claims: JwtSvidClaims): Promise<JwtSvidClaims> {
    const composed = await this.#each(
      claims,
      async (composer, current) =>
        (await composer.composeWorkloadJwtSvid?.({ spiffeId }, current)) ?? current,
    )
    return { ...composed, ...wholeSeconds(composed, 'iat'), ...wholeSeconds(composed, 'exp') }
  }

  async #each<Value>(
    first: Value,
    compose: (composer: CredentialComposer, value: Value) => Promise<Value>,
  ): Promise<Value> {
    let value = first
    for (const composer of this.#composers) {
      try {
        value = await compose(composer, value)
      } catch (cause) {
        const message = `credentialcomposer(${composer.name}): ${messageOf(cause)}`
        throw new CaError('ERR_COMPOSER_FAILED', message, { cause })
      }
    }
    return value
  }
}

/** The extensions of a CA certificate: its policies, unless a composer wrote them itself, then the others. */
export function extensionsOfCa({
  policyIdentifiers,
  extraExtensions,
}: X509CaAttributes): readonly X509Extension[] {
  if (policyIdentifiers.length === 0) return extraExtensions
  const policies = certificatePolicies(policyIdentifiers)
  const isReplaced = extraExtensions.some(({ oid }) => oid === policies.oid)
  return isReplaced ? extraExtensions : [policies, ...extraExtensions]
}

async function composeSvid(
  composer: CredentialComposer,
  holder: SvidHolder,
  identity: ComposedIdentity,
  attributes: X509SvidAttributes,
): Promise<X509SvidAttributes | undefined> {
  switch (holder) {
    case 'server':
      return await composer.composeServerX509Svid?.(attributes)
    case 'agent':
      return await composer.composeAgentX509Svid?.(identity, attributes)
    case 'workload':
      return await composer.composeWorkloadX509Svid?.(identity, attributes)
    default:
      return holder satisfies never
  }
}

function checkExtensions({
  extraExtensions,
  subject,
}: Pick<X509SvidAttributes, 'extraExtensions' | 'subject'>): void {
  const oids = extraExtensions.map(({ oid }) => oid)
  for (const oid of oids) checkOid(oid)
  for (const { oid } of subject.extraNames ?? []) checkOid(oid)
  if (new Set(oids).size < oids.length) throw new Error('an extension is there twice')
}

function checkOid(oid: string): void {
  if (!dottedOid.test(oid)) throw new Error(`invalid OID: ${JSON.stringify(oid)}`)
}

function checkDnsName(name: string): void {
  if (name === '' || /[^\x21-\x7e]/.test(name))
    throw new Error(`DNS name cannot be written: ${JSON.stringify(name)}`)
}

function wholeSeconds(claims: JwtSvidClaims, name: 'iat' | 'exp'): JwtSvidClaims {
  const value = claims[name]
  return typeof value === 'number' ? { [name]: Math.trunc(value) } : {}
}
