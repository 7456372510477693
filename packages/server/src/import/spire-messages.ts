import { BinaryReader } from '@bufbuild/protobuf/wire'
import { messageOf } from '@mini-spire/sdk/errors'
import { ImportError } from './import-error.ts'

/** A field of a message: a number, bytes, or both never. Fields of other wire types are left out. */
interface Field {
  readonly number: number
  readonly integer: bigint
  readonly bytes: Uint8Array
}

/** `spire.common.Certificate` */
export interface StoredCertificate {
  /** DER of one certificate, or of several one after the other. */
  readonly der: Uint8Array
  readonly tainted: boolean
}

/** `spire.common.PublicKey` */
export interface StoredPublicKey {
  readonly keyId: string
  readonly publicKey: Uint8Array
  readonly expiresAtSeconds: number
  readonly tainted: boolean
}

/** `spire.common.Bundle`, as the column `bundles.data` holds it. */
export interface StoredBundle {
  readonly trustDomainId: string
  readonly certificates: readonly StoredCertificate[]
  readonly jwtKeys: readonly StoredPublicKey[]
  readonly witKeys: readonly StoredPublicKey[]
  readonly refreshHintSeconds: number
  readonly sequenceNumber: number
}

/** `X509CAEntry` of a journal. */
export interface StoredX509Authority {
  readonly slotId: string
  readonly issuedAtSeconds: number
  readonly certificate: Uint8Array
  readonly upstreamChain: readonly Uint8Array[]
  readonly status: number
  readonly authorityId: string
  readonly notAfterSeconds: number
  readonly upstreamAuthorityId: string
}

/** `JWTKeyEntry` or `WITKeyEntry` of a journal. */
export interface StoredJwtAuthority {
  readonly slotId: string
  readonly issuedAtSeconds: number
  readonly notAfterSeconds: number
  readonly keyId: string
  readonly publicKey: Uint8Array
  readonly status: number
}

/** `Entries`, as the column `ca_journals.data` holds it. */
export interface StoredJournal {
  readonly x509: readonly StoredX509Authority[]
  readonly jwt: readonly StoredJwtAuthority[]
  readonly wit: readonly StoredJwtAuthority[]
}

/** `spire.common.RegistrationEntry.AdditionalAttributes` */
export interface StoredAttributes {
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
}

/** Reads a stored bundle. @throws {ImportError} `ERR_IMPORT_RECORD_MALFORMED` */
export function readStoredBundle(bytes: Uint8Array): StoredBundle {
  const message = new Fields(bytes)
  return {
    trustDomainId: message.text(1),
    certificates: message.all(2).map((certificate) => ({
      der: certificate.bytes(1),
      tainted: certificate.integer(2) !== 0,
    })),
    jwtKeys: message.all(3).map(readPublicKey),
    refreshHintSeconds: message.integer(4),
    sequenceNumber: message.integer(5),
    witKeys: message.all(6).map(readPublicKey),
  }
}

function readPublicKey(key: Fields): StoredPublicKey {
  return {
    publicKey: key.bytes(1),
    keyId: key.text(2),
    expiresAtSeconds: key.integer(3),
    tainted: key.integer(4) !== 0,
  }
}

/** Reads a stored journal. @throws {ImportError} `ERR_IMPORT_RECORD_MALFORMED` */
export function readStoredJournal(bytes: Uint8Array): StoredJournal {
  const message = new Fields(bytes)
  return {
    x509: message.all(1).map((entry) => ({
      slotId: entry.text(1),
      issuedAtSeconds: entry.integer(2),
      certificate: entry.bytes(3),
      upstreamChain: entry.allBytes(4),
      status: entry.integer(5),
      authorityId: entry.text(6),
      notAfterSeconds: entry.integer(7),
      upstreamAuthorityId: entry.text(8),
    })),
    jwt: message.all(2).map(readTokenAuthority),
    wit: message.all(3).map(readTokenAuthority),
  }
}

function readTokenAuthority(entry: Fields): StoredJwtAuthority {
  return {
    slotId: entry.text(1),
    issuedAtSeconds: entry.integer(2),
    notAfterSeconds: entry.integer(3),
    keyId: entry.text(4),
    publicKey: entry.bytes(5),
    status: entry.integer(6),
  }
}

/** Reads an entry's further attributes. @throws {ImportError} `ERR_IMPORT_RECORD_MALFORMED` */
export function readStoredAttributes(bytes: Uint8Array): StoredAttributes {
  const message = new Fields(bytes)
  return {
    disableX509SvidPrefetch: message.integer(1) !== 0,
    jwtSvidIncludeJti: message.integer(2) !== 0,
  }
}

/** The fields of one protobuf message. These messages are SPIRE's own and on no wire, so nothing is generated for them. */
class Fields {
  readonly #fields: readonly Field[]

  constructor(bytes: Uint8Array) {
    this.#fields = readFields(bytes)
  }

  /** The last value counts, as everywhere in protobuf. */
  integer(number: number): number {
    return Number(this.#last(number)?.integer ?? 0n)
  }

  bytes(number: number): Uint8Array {
    return this.#last(number)?.bytes ?? new Uint8Array()
  }

  text(number: number): string {
    return Buffer.from(this.bytes(number)).toString('utf8')
  }

  allBytes(number: number): readonly Uint8Array[] {
    return this.#fields.filter((field) => field.number === number).map(({ bytes }) => bytes)
  }

  all(number: number): readonly Fields[] {
    return this.allBytes(number).map((bytes) => new Fields(bytes))
  }

  #last(number: number): Field | undefined {
    return this.#fields.findLast((field) => field.number === number)
  }
}

const varint = 0
const lengthDelimited = 2

function readFields(bytes: Uint8Array): readonly Field[] {
  const fields: Field[] = []
  try {
    const reader = new BinaryReader(bytes)
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag()
      if (type === varint) {
        fields.push({ number, integer: BigInt(reader.int64()), bytes: new Uint8Array() })
      } else if (type === lengthDelimited) {
        fields.push({ number, integer: 0n, bytes: new Uint8Array(reader.bytes()) })
      } else {
        reader.skip(type, number)
      }
    }
  } catch (cause) {
    const text = `stored message is malformed: ${messageOf(cause)}`
    throw new ImportError('ERR_IMPORT_RECORD_MALFORMED', text, { cause })
  }
  return fields
}
