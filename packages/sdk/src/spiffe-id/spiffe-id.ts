import { parseParts, scheme } from './parse.ts'
import { checkPath, checkPathSegment } from './path.ts'
import { TrustDomain } from './trust-domain.ts'

/**
 * A SPIFFE ID: a trust domain and a path that is empty or begins with a slash [SPIFFE-ID 2].
 *
 * There is one parser and it normalises nothing: what it accepts prints as the same bytes, and two IDs are the same
 * identity exactly when their strings are equal.
 *
 * @example
 * const id = SpiffeId.parse('spiffe://example.org/web')
 * id.trustDomain.name // 'example.org'
 * id.path // '/web'
 */
export class SpiffeId {
  readonly trustDomain: TrustDomain
  readonly path: string

  private constructor(trustDomain: TrustDomain, path: string) {
    this.trustDomain = trustDomain
    this.path = path
  }

  /**
   * Parses `spiffe://<trust domain>[/<path>]`.
   *
   * The standard's limits of 255 and 2048 bytes are not enforced: SPIRE issues longer IDs, with a warning.
   *
   * @throws {SpiffeIdError} naming the rule it breaks
   */
  static parse(text: string): SpiffeId {
    const { name, path } = parseParts(text)
    return new SpiffeId(TrustDomain.fromCheckedName(name), path)
  }

  /** Builds an ID from a path, which must be empty or begin with a slash. */
  static fromPath(trustDomain: TrustDomain, path: string): SpiffeId {
    checkPath(path)
    return new SpiffeId(trustDomain, path)
  }

  /** Builds an ID from segments. Each is checked by itself, so that no value can add or climb a level. */
  static fromSegments(trustDomain: TrustDomain, ...segments: readonly string[]): SpiffeId {
    for (const segment of segments) checkPathSegment(segment)
    return new SpiffeId(trustDomain, segments.map((segment) => `/${segment}`).join(''))
  }

  /** Parts that have been checked already, such as those of a stored record. */
  static fromCheckedParts(trustDomain: TrustDomain, path: string): SpiffeId {
    return new SpiffeId(trustDomain, path)
  }

  isMemberOf(trustDomain: TrustDomain): boolean {
    return this.trustDomain.equals(trustDomain)
  }

  equals(other: SpiffeId): boolean {
    return this.path === other.path && this.trustDomain.equals(other.trustDomain)
  }

  toString(): string {
    return scheme + this.trustDomain.name + this.path
  }

  toJSON(): string {
    return this.toString()
  }
}
