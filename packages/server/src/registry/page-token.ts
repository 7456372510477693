import { createHash } from 'node:crypto'
import { RegistryError } from './registry-error.ts'

const ordinalBytes = 6
const tagBytes = 8

/** Which list a page belongs to. */
export interface PageScope {
  /** The noun that is listed. */
  readonly list: string
  /** The history the ordinals belong to: a token of another history means nothing here. */
  readonly epoch: string
}

/**
 * The text a client brings back for the next page: the place of the page's last row in creation order, with a tag that ties
 * it to this list of this history.
 *
 * It survives a restart and changes of other rows. The tag has no secret: whoever may list sees every row anyway; it makes
 * a token of another list, another store or a typing error an error instead of a wrong page.
 */
export function pageTokenOf(scope: PageScope, ordinal: number): string {
  const place = Buffer.alloc(ordinalBytes)
  place.writeUIntBE(ordinal, 0, ordinalBytes)
  return Buffer.concat([place, tagOf(scope, place)]).toString('base64url')
}

/**
 * The ordinal a token names.
 *
 * @throws {RegistryError} `ERR_PAGE_TOKEN` for a text that {@link pageTokenOf} did not make for this list
 */
export function parsePageToken(scope: PageScope, token: string): number {
  const bytes = Buffer.from(token, 'base64url')
  const place = bytes.subarray(0, ordinalBytes)
  const isOurs =
    bytes.length === ordinalBytes + tagBytes &&
    bytes.toString('base64url') === token &&
    tagOf(scope, place).equals(bytes.subarray(ordinalBytes))
  if (!isOurs) throw new RegistryError('ERR_PAGE_TOKEN', `could not parse token '${token}'`)
  return place.readUIntBE(0, ordinalBytes)
}

function tagOf(scope: PageScope, place: Uint8Array): Buffer {
  return createHash('sha256')
    .update(`mini-spire page 1\n${scope.list}\n${scope.epoch}\n`)
    .update(place)
    .digest()
    .subarray(0, tagBytes)
}
