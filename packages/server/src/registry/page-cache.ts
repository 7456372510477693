/** What pages are kept for: any object whose number is another one when its pages would be. */
export interface Versioned {
  readonly version: number
}

/** What the bookkeeping of one cached list costs beside its bytes, roughly. */
const overheadBytes = 256

/** A number for all entries with certain fields, a text for those that were asked for by ID. */
export type PageForm = number | string

interface Cached {
  readonly version: number
  readonly pages: readonly Uint8Array[]
  readonly bytes: number
}

/**
 * Encoded pages of authorized sets, so that an agent that asks for an unchanged set costs no encoding. Agents with the same set
 * share them. Bounded by bytes; what was used longest ago goes first.
 */
export class PageCache {
  readonly #maxBytes: number
  /** Least recently used first. */
  readonly #lists = new Map<Versioned, Map<PageForm, Cached>>()
  #bytes = 0

  /** @param maxBytes what all pages together may take */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * The pages of a set in one form, encoded anew when the set has changed.
   *
   * @param form what the pages carry: equal forms, equal pages as long as the set has not changed
   */
  get(set: Versioned, form: PageForm, encode: () => readonly Uint8Array[]): readonly Uint8Array[] {
    const forms = this.#lists.get(set) ?? new Map<PageForm, Cached>()
    this.#lists.delete(set)
    this.#lists.set(set, forms)
    const known = forms.get(form)
    if (known?.version === set.version) return known.pages
    const pages = encode()
    if (known) this.#bytes -= known.bytes
    const keyBytes = typeof form === 'string' ? form.length : 0
    const bytes = pages.reduce((sum, page) => sum + page.length, overheadBytes + keyBytes)
    forms.set(form, { version: set.version, pages, bytes })
    this.#bytes += bytes
    this.#evict()
    return pages
  }

  #evict(): void {
    for (const [set, forms] of this.#lists) {
      if (this.#bytes <= this.#maxBytes) return
      for (const { bytes } of forms.values()) this.#bytes -= bytes
      this.#lists.delete(set)
    }
  }
}
