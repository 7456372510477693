import { X509Error } from './x509-error.ts'

/** One element where it stands: `start` and `end` bound the whole, `contentStart` and `end` the content. */
export interface DerSpan {
  readonly tag: number
  readonly start: number
  readonly contentStart: number
  readonly end: number
}

/**
 * Walks over the elements of a DER encoding without copying. Strict: definite, shortest lengths that stay inside their
 * parent; the caller asks for each element by its tag.
 */
export class DerCursor {
  readonly bytes: Buffer
  readonly #end: number
  #at: number

  private constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes
    this.#at = start
    this.#end = end
  }

  /** A cursor before the first byte. The bytes are not copied: they must not change meanwhile. */
  static over(bytes: Uint8Array): DerCursor {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new DerCursor(buffer, 0, buffer.length)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  /** Tag of the next element; undefined at the end. */
  peekTag(): number | undefined {
    return this.#at < this.#end ? this.bytes[this.#at] : undefined
  }

  /** Takes the next element, which must have this tag. */
  take(tag: number): DerSpan {
    const span = this.takeAny()
    if (span.tag !== tag) throw malformed('unexpected element')
    return span
  }

  /** Takes the next element, whatever its tag. */
  takeAny(): DerSpan {
    const { bytes } = this
    const start = this.#at
    if (start + 2 > this.#end) throw malformed('truncated')
    const tag = bytes.readUInt8(start)
    if ((tag & 0x1f) === 0x1f) throw malformed('unexpected element')
    let length = bytes.readUInt8(start + 1)
    let contentStart = start + 2
    if (length >= 0x80) {
      const octets = length & 0x7f
      if (octets === 0 || octets > 4) throw malformed('length that is not DER')
      if (contentStart + octets > this.#end) throw malformed('truncated')
      length = bytes.readUIntBE(contentStart, octets)
      contentStart += octets
      if (length < 0x80 || length < 2 ** (8 * (octets - 1)))
        throw malformed('length that is not DER')
    }
    const end = contentStart + length
    if (end > this.#end) throw malformed('truncated')
    this.#at = end
    return { tag, start, contentStart, end }
  }

  /** Takes the next element, which must have this tag, and gives a cursor over its content. */
  enter(tag: number): DerCursor {
    return this.inside(this.take(tag))
  }

  /** A cursor over the content of an element. */
  inside(span: DerSpan): DerCursor {
    return new DerCursor(this.bytes, span.contentStart, span.end)
  }

  /** The element's bytes, header included; a view. */
  raw(span: DerSpan): Buffer {
    return this.bytes.subarray(span.start, span.end)
  }

  /** The element's content; a view. */
  content(span: DerSpan): Buffer {
    return this.bytes.subarray(span.contentStart, span.end)
  }

  /** Refuses whatever follows. */
  finish(): void {
    if (!this.isAtEnd) throw malformed('trailing data')
  }
}

function malformed(what: string): X509Error {
  return new X509Error('ERR_DER_MALFORMED', `asn1: structure error: ${what}`)
}
