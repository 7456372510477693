import type { FieldRole, HeaderField } from './hpack/header-field.ts'

const pseudoRoles: ReadonlySet<FieldRole> = new Set([':method', ':scheme', ':path', ':authority'])

/** What a request says about itself, as a server may take it. */
export class RequestHeaders {
  readonly #fields: readonly HeaderField[]
  /** Never empty. */
  readonly path: string
  /** Never empty. */
  readonly method: string
  /** What its DATA frames have to come to; undefined: it does not say. */
  readonly contentLength: number | undefined

  private constructor(
    fields: readonly HeaderField[],
    { path, method, contentLength }: Pick<RequestHeaders, 'path' | 'method' | 'contentLength'>,
  ) {
    this.#fields = fields
    this.path = path
    this.method = method
    this.contentLength = contentLength
  }

  /**
   * Takes the header list of a request. What stands in `:authority` is nobody's business here: clients of Unix sockets write the
   * path of the socket.
   *
   * @returns undefined when it is malformed (RFC 9113, 8.2, 8.3.1)
   */
  static parse(fields: readonly HeaderField[]): RequestHeaders | undefined {
    // A variable each: this runs for every request, and an object keyed by roles is slow.
    let path: string | undefined
    let method: string | undefined
    let scheme: string | undefined
    let authority: string | undefined
    let contentLength: string | undefined
    let isPastPseudo = false
    for (const { role, value } of fields) {
      switch (role) {
        case 'malformed':
          return undefined
        case 'regular':
          isPastPseudo = true
          break
        case 'content-length':
          isPastPseudo = true
          if (!/^\d{1,15}$/.test(value) || (contentLength ?? value) !== value) return undefined
          contentLength = value
          break
        case ':path':
          if (isPastPseudo || path !== undefined) return undefined
          path = value
          break
        case ':method':
          if (isPastPseudo || method !== undefined) return undefined
          method = value
          break
        case ':scheme':
          if (isPastPseudo || scheme !== undefined) return undefined
          scheme = value
          break
        case ':authority':
          if (isPastPseudo || authority !== undefined) return undefined
          authority = value
          break
        default:
          role satisfies never
      }
    }
    if (!path || !method || !scheme) return undefined
    return new RequestHeaders(fields, {
      path,
      method,
      contentLength: contentLength === undefined ? undefined : Number(contentLength),
    })
  }

  /** What stands under a name of lower case, in the order in which it came; empty: nothing. */
  values(name: string): readonly string[] {
    const values: string[] = []
    for (const field of this.#fields) if (field.name === name) values.push(field.value)
    return values
  }

  /** The first of what stands under a name of lower case. */
  first(name: string): string | undefined {
    for (const field of this.#fields) if (field.name === name) return field.value
    return undefined
  }
}

/** Whether a list may end a request (RFC 9113, 8.1): it has no pseudo-header fields, and nothing else that is malformed. */
export function areTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(({ role }) => role !== 'malformed' && !pseudoRoles.has(role))
}
