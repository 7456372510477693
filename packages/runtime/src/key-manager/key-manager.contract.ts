import { createPublicKey, verify } from 'node:crypto'
import type { ContractTools } from '../tools.contract.ts'
import { type KeyManager, type KeyType, keyTypes, type SignatureHash } from './key-manager.ts'
import { KeyManagerError } from './key-manager-error.ts'

/** What every key manager does. `open` makes an empty one; `types` are those it is tried with. */
export function keyManagerContract(
  { describe, it, expect }: ContractTools,
  name: string,
  open: () => Promise<KeyManager>,
  types: readonly KeyType[] = keyTypes,
): void {
  const data = Buffer.from('to be signed')

  const isSignedBy = (
    publicKey: Uint8Array,
    hash: SignatureHash,
    signature: Uint8Array,
    dsaEncoding: 'der' | 'ieee-p1363' = 'der',
  ): boolean => {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
    return verify(hash, data, { key, dsaEncoding }, signature)
  }

  describe(`key manager ${name}`, () => {
    it('refuses a key without an ID', async () => {
      const keys = await open()
      await expect(keys.generateKey('', 'ec-p256')).rejects.toMatchObject({
        code: 'ERR_KEY_ID_MISSING',
      })
    })

    it('does not have a key that was never made', async () => {
      const keys = await open()
      expect(await keys.findKey('x509-CA-A')).toBeUndefined()
      await expect(keys.getKey('x509-CA-A')).rejects.toThrow(
        new KeyManagerError('ERR_KEY_NOT_FOUND', 'no such key "x509-CA-A"'),
      )
      expect(await keys.listKeys()).toEqual([])
    })

    for (const type of types) {
      it(`signs with ${type}, and the public key verifies`, async () => {
        const keys = await open()
        const key = await keys.generateKey('one', type)
        expect(key).toMatchObject({ id: 'one', type })
        const hash = type === 'ec-p384' ? 'sha384' : 'sha256'
        const signature = await key.sign(data, { hash })
        expect(isSignedBy(key.publicKey, hash, signature)).toBe(true)
        expect(isSignedBy(key.publicKey, hash, signature.toReversed())).toBe(false)
        // Two milliseconds of one thread would hold up everybody else.
        if (type === 'rsa-4096') expect(key.signSync).toBeUndefined()
        if (key.signSync)
          expect(isSignedBy(key.publicKey, hash, key.signSync(data, { hash }))).toBe(true)
      }, 60_000)
    }

    it('writes ECDSA signatures side by side when JOSE asks for it', async () => {
      const keys = await open()
      const key = await keys.generateKey('one', 'ec-p256')
      const signature = await key.sign(data, { hash: 'sha256', encoding: 'ieee-p1363' })
      expect(signature).toHaveLength(64)
      expect(isSignedBy(key.publicKey, 'sha256', signature, 'ieee-p1363')).toBe(true)
    })

    it('signs many at once, each what it was given', async () => {
      const keys = await open()
      const key = await keys.generateKey('one', 'rsa-2048')
      const texts = Array.from({ length: 20 }, (_, index) => Buffer.from(`text ${index}`))
      const signatures = await Promise.all(texts.map((text) => key.sign(text, { hash: 'sha256' })))
      const publicKey = createPublicKey({
        key: Buffer.from(key.publicKey),
        format: 'der',
        type: 'spki',
      })
      texts.forEach((text, index) => {
        expect(verify('sha256', text, publicKey, signatures[index] ?? Buffer.of())).toBe(true)
      })
    }, 60_000)

    it('finds keys again by their IDs', async () => {
      const keys = await open()
      const [one, two] = [
        await keys.generateKey('one', 'ec-p256'),
        await keys.generateKey('two', 'ec-p384'),
      ]
      expect((await keys.getKey('one')).publicKey).toEqual(one.publicKey)
      expect((await keys.findKey('two'))?.publicKey).toEqual(two.publicKey)
      expect((await keys.listKeys()).map((key) => key.id).sort()).toEqual(['one', 'two'])
    })

    it('replaces a key that is generated again, and the old one cannot sign any more', async () => {
      const keys = await open()
      const old = await keys.generateKey('one', 'ec-p256')
      const fresh = await keys.generateKey('one', 'ec-p256')
      expect(fresh.publicKey).not.toEqual(old.publicKey)
      expect((await keys.getKey('one')).publicKey).toEqual(fresh.publicKey)
      await expect(old.sign(data, { hash: 'sha256' })).rejects.toMatchObject({
        code: 'ERR_KEY_REPLACED',
      })
      expect(
        isSignedBy(fresh.publicKey, 'sha256', await fresh.sign(data, { hash: 'sha256' })),
      ).toBe(true)
    })

    it('keeps every one of many keys that are generated at once', async () => {
      const keys = await open()
      const ids = Array.from({ length: 12 }, (_, index) => `key-${index}`)
      await Promise.all(ids.map((id) => keys.generateKey(id, 'ec-p256')))
      expect((await keys.listKeys()).map((key) => key.id).sort()).toEqual([...ids].sort())
    })
  })
}
