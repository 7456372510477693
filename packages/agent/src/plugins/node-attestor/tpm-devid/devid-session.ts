import { randomBytes } from 'node:crypto'
import { tpmAlgorithm } from '@mini-spire/runtime/tpm/algorithms'
import { TpmPublicArea } from '@mini-spire/runtime/tpm/public-area'
import { TpmReader } from '@mini-spire/runtime/tpm/tpm-reader'
import { messageOf } from '@mini-spire/sdk/errors'
import { DerCursor, derSequence, derTag, derUnsigned } from '@mini-spire/sdk/x509'
import { attestationTemplate, endorsementTemplate, storageRootTemplate } from './key-templates.ts'
import { hierarchy, type KeyBlobs, type LoadedKey, type Tpm } from './tpm.ts'

/** Where manufacturers put the certificate of the RSA endorsement key. */
const endorsementCertificateIndex = 0x01c00002
const passwordBytes = 32
const nonceBytes = 16

/** Who may use what in the TPM. */
export interface TpmPasswords {
  readonly devIdKey: Uint8Array
  readonly ownerHierarchy: Uint8Array
  readonly endorsementHierarchy: Uint8Array
}

/** Options of {@link DevIdSession.start}. */
export interface DevIdSessionOptions {
  readonly devId: KeyBlobs
  readonly passwords: TpmPasswords
}

interface SessionKeys {
  readonly devId: LoadedKey
  readonly devIdHash: number
  readonly attestation: LoadedKey
  readonly endorsement: LoadedKey
}

/** Public areas of the keys that are shown to the server. */
export interface ShownKeys {
  readonly attestation: Uint8Array
  readonly endorsement: Uint8Array
}

/**
 * A TPM that holds a DevID key, an attestation key made for this session, and the endorsement key.
 *
 * At most three keys are in the TPM at a time: the smallest TPMs have no room for more.
 */
export class DevIdSession {
  readonly #tpm: Tpm
  readonly #keys: SessionKeys
  readonly #passwords: TpmPasswords
  readonly shown: ShownKeys

  private constructor(tpm: Tpm, keys: SessionKeys, passwords: TpmPasswords, shown: ShownKeys) {
    this.#tpm = tpm
    this.#keys = keys
    this.#passwords = passwords
    this.shown = shown
  }

  /** Loads and makes the keys; what was loaded is unloaded when that fails. */
  static async start(tpm: Tpm, options: DevIdSessionOptions): Promise<DevIdSession> {
    const loaded: LoadedKey[] = []
    const keep = <Key extends LoadedKey>(key: Key): Key => {
      loaded.push(key)
      return key
    }
    try {
      const { passwords, devId: blobs } = options
      const area = readDevIdPublic(blobs.publicArea)
      const devId = keep(await loadDevId(tpm, area, options))
      const made = await makeAttestationKey(tpm, passwords)
      const attestation = keep(made.key)
      const endorsement = await naming('cannot create endorsement key', async () =>
        keep(
          await tpm.createPrimary(
            hierarchy.endorsement,
            { hierarchy: passwords.endorsementHierarchy, key: Buffer.alloc(0) },
            endorsementTemplate,
          ),
        ),
      )
      const keys = { devId, devIdHash: area.scheme.hash, attestation, endorsement }
      const shown = { attestation: made.publicArea, endorsement: endorsement.publicArea }
      return new DevIdSession(tpm, keys, passwords, shown)
    } catch (error) {
      await flushAll(tpm, loaded)
      throw error
    }
  }

  /** The certificate of the endorsement key, DER. What stands after it in the index is dropped. */
  async endorsementCertificate(): Promise<Uint8Array> {
    const index = endorsementCertificateIndex.toString(16).padStart(8, '0')
    const bytes = await naming(`failed to read NV index ${index}`, () =>
      this.#tpm.readNv(endorsementCertificateIndex),
    )
    return await naming(`failed to unmarshall certificate read from ${index}`, async () => {
      const cursor = DerCursor.over(bytes)
      return cursor.raw(cursor.take(derTag.sequence))
    })
  }

  /** Says that the DevID key is in the TPM in which the attestation key is. */
  async certifyDevId(): Promise<{ readonly attested: Uint8Array; readonly signature: Uint8Array }> {
    return await naming('tpm2.Certify failed', () =>
      this.#tpm.certify(this.#keys.devId, this.#keys.attestation),
    )
  }

  /** Signs by the DevID key: PKCS #1 or ASN.1, as certificates' keys sign. */
  async signByDevId(data: Uint8Array): Promise<Uint8Array> {
    const { devId, devIdHash } = this.#keys
    const signature = await naming('failed to sign nonce: tpm2.Sign failed', () =>
      this.#tpm.sign(devId, data, devIdHash),
    )
    return readSignature(signature)
  }

  /** Answers what only this TPM can answer. */
  async activate(credential: Uint8Array, secret: Uint8Array): Promise<Uint8Array> {
    return await naming('failed to activate credential', () =>
      this.#tpm.activateCredential({
        object: this.#keys.attestation,
        endorsementKey: this.#keys.endorsement,
        hierarchyPassword: this.#passwords.endorsementHierarchy,
        credential,
        secret,
        nonce: randomBytes(nonceBytes),
      }),
    )
  }

  /** Unloads the keys. A TPM that is gone has nothing loaded: failures do not matter. */
  async end(): Promise<void> {
    const { devId, attestation, endorsement } = this.#keys
    await flushAll(this.#tpm, [devId, attestation, endorsement])
  }
}

function readDevIdPublic(blob: Uint8Array): TpmPublicArea {
  const what = 'cannot load DevID key on TPM'
  let area: TpmPublicArea
  try {
    area = TpmPublicArea.parse(blob)
  } catch (cause) {
    throw new Error(`${what}: tpm2.DecodePublic failed: ${messageOf(cause)}`, { cause })
  }
  if (!area.has('sign')) throw new Error(`${what}: not a signing key`)
  if (area.scheme.hash === tpmAlgorithm.null) {
    throw new Error(`${what}: signature hash algorithm is NULL`)
  }
  return area
}

async function loadDevId(
  tpm: Tpm,
  area: TpmPublicArea,
  { devId, passwords }: DevIdSessionOptions,
): Promise<LoadedKey> {
  const template =
    area.type === tpmAlgorithm.rsa ? storageRootTemplate.rsa : storageRootTemplate.ecc
  return await naming('cannot load DevID key on TPM', () =>
    underStorageRoot(tpm, { passwords, template, failure: 'tpm2.CreatePrimaryEx failed' }, (root) =>
      naming('tpm2.Load failed', () => tpm.load(root, devId, passwords.devIdKey)),
    ),
  )
}

async function makeAttestationKey(
  tpm: Tpm,
  passwords: TpmPasswords,
): Promise<{ readonly key: LoadedKey; readonly publicArea: Uint8Array }> {
  const password = randomBytes(passwordBytes)
  const creating = 'cannot create attestation key'
  const options = {
    passwords,
    template: storageRootTemplate.rsa,
    failure: `${creating}: failed to create SRK`,
  }
  return await underStorageRoot(tpm, options, async (root) => {
    const blobs = await naming(`${creating}: failed to create AK`, () =>
      tpm.create(root, password, attestationTemplate),
    )
    const key = await naming('cannot load attestation key: tpm2.Load failed', () =>
      tpm.load(root, blobs, password),
    )
    return { key, publicArea: blobs.publicArea }
  })
}

async function underStorageRoot<T>(
  tpm: Tpm,
  {
    passwords,
    template,
    failure,
  }: {
    readonly passwords: TpmPasswords
    readonly template: Uint8Array
    /** What is said when it cannot be made. */
    readonly failure: string
  },
  work: (root: LoadedKey) => Promise<T>,
): Promise<T> {
  const root = await naming(failure, () =>
    tpm.createPrimary(
      hierarchy.owner,
      { hierarchy: passwords.ownerHierarchy, key: randomBytes(passwordBytes) },
      template,
    ),
  )
  try {
    return await work(root)
  } finally {
    await flushAll(tpm, [root])
  }
}

async function flushAll(tpm: Tpm, keys: readonly LoadedKey[]): Promise<void> {
  for (const { handle } of keys) await tpm.flush(handle).catch(() => undefined)
}

async function naming<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new Error(`${what}: ${messageOf(cause)}`, { cause })
  }
}

/** TPMT_SIGNATURE as certificates' verifiers take it. */
function readSignature(bytes: Uint8Array): Uint8Array {
  const reader = new TpmReader(bytes)
  const algorithm = reader.uint16()
  reader.uint16()
  if (algorithm === tpmAlgorithm.rsaSsa || algorithm === tpmAlgorithm.rsaPss) return reader.sized()
  if (algorithm !== tpmAlgorithm.ecdsa) throw new Error('unrecognized tpm2.Signature')
  const [r, s] = [reader.sized(), reader.sized()]
  return derSequence(derUnsigned(r), derUnsigned(s))
}
