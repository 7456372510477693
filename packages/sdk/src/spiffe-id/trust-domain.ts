import { badCharacters, isTrustDomainCharacter, parseParts, scheme } from './parse.ts'
import { SpiffeIdError } from './spiffe-id-error.ts'

const maxInterned = 4096
const interned = new Map<string, TrustDomain>()

/**
 * The name of a trust domain, such as `example.org`.
 *
 * Equal names are usually the same object, but compare with {@link TrustDomain.equals}: how many names are kept is bounded.
 */
export class TrustDomain {
  readonly name: string

  private constructor(name: string) {
    this.name = name
  }

  /**
   * Parses a trust domain name, or takes that of a SPIFFE ID. Nothing is normalised: upper case is refused, not folded.
   *
   * @throws {SpiffeIdError} naming the rule it breaks
   */
  static parse(text: string): TrustDomain {
    const known = interned.get(text)
    if (known) return known
    if (text === '') throw new SpiffeIdError('ERR_TRUST_DOMAIN_MISSING', 'trust domain is missing')
    // A colon or slash can only mean an ID; whatever is not spiffe:// is then a wrong scheme.
    if (text.includes(':/')) return TrustDomain.fromCheckedName(parseParts(text).name)
    return TrustDomain.fromCheckedName(checkName(text))
  }

  /** A name that the parser has passed already. For the parser only. */
  static fromCheckedName(name: string): TrustDomain {
    const known = interned.get(name)
    if (known) return known
    const made = new TrustDomain(name)
    if (interned.size < maxInterned) interned.set(name, made)
    return made
  }

  /** The ID of the trust domain itself: `spiffe://example.org`, as string. */
  get idString(): string {
    return scheme + this.name
  }

  equals(other: TrustDomain): boolean {
    return this.name === other.name
  }

  toString(): string {
    return this.name
  }

  toJSON(): string {
    return this.name
  }
}

function checkName(name: string): string {
  for (let i = 0; i < name.length; i++) {
    if (!isTrustDomainCharacter(name.charCodeAt(i))) throw badCharacters()
  }
  return name
}
