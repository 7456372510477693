import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { keyManagerContract } from '../key-manager.contract.ts'
import { DiskKeyManager } from './disk-key-manager.ts'

const folders: string[] = []
async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'mini-spire-keys-'))
  folders.push(made)
  return made
}
afterAll(() => Promise.all(folders.map((path) => rm(path, { recursive: true, force: true }))))

const open = async (): Promise<DiskKeyManager> =>
  DiskKeyManager.openFile(join(await folder(), 'keys.json'))

keyManagerContract({ describe, it, expect }, 'disk', open)

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'der' })
  .toString('base64')

describe('a keys file', () => {
  it.each([
    ['nothing', '', 'unable to decode keys JSON: PATH: not valid JSON'],
    ['half of it', `{"keys": {"a": "${p256}`, 'unable to decode keys JSON: PATH: not valid JSON'],
    ['a list', '[]', 'unable to decode keys JSON: PATH: not an object'],
    ['keys as text', '{"keys": "a"}', 'unable to decode keys JSON: PATH: "keys" is not an object'],
    ['a number', '{"keys": {"a": 1}}', 'unable to parse key "a": PATH: not a string'],
    ['not base64', '{"keys": {"a": "%%%"}}', 'unable to parse key "a": PATH: not base64'],
    [
      'no key',
      '{"keys": {"a": "AAAA"}}',
      'unable to parse key "a": PATH: not a PKCS#8 private key',
    ],
    [
      'a cut key',
      `{"keys": {"a": "${p256.slice(0, 80)}"}}`,
      'unable to parse key "a": PATH: not a PKCS#8 private key',
    ],
  ])('with %s is refused, naming file and key and nothing of the content', async (_, text, why) => {
    const path = join(await folder(), 'keys.json')
    await writeFile(path, text)
    const refused = await DiskKeyManager.openFile(path).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'ERR_KEY_FILE_CORRUPT',
      message: why.replace('PATH', path),
    })
    expect(refused).not.toHaveProperty('cause')
    expect(await readFile(path, 'utf8')).toBe(text)
  })

  it('with a key of another kind is refused', async () => {
    const path = join(await folder(), 'keys.json')
    const { privateKey } = generateKeyPairSync('ed25519')
    const der = privateKey.export({ type: 'pkcs8', format: 'der' })
    await writeFile(path, JSON.stringify({ keys: { odd: der.toString('base64') } }))
    await expect(DiskKeyManager.openFile(path)).rejects.toThrow(
      /unable to parse key "odd": .*neither EC P-256, P-384 nor RSA 2048, 4096/,
    )
  })

  it('that cannot be read is not taken for an empty one', async () => {
    await expect(DiskKeyManager.openFile(await folder())).rejects.toMatchObject({
      code: 'ERR_KEY_FILE_UNUSABLE',
    })
  })

  it("in SPIRE's form is read, and written back byte for byte beside a new key", async () => {
    const path = join(await folder(), 'keys.json')
    await writeFile(path, `{\n\t"keys": {\n\t\t"x509-CA-A": "${p256}"\n\t}\n}`)
    const keys = await DiskKeyManager.openFile(path)
    expect(await keys.getKey('x509-CA-A')).toMatchObject({ type: 'ec-p256' })
    await keys.generateKey('JWT-Signer-A', 'ec-p256')
    expect(await readFile(path, 'utf8')).toMatch(
      new RegExp(
        `^\\{\\n\\t"keys": \\{\\n\\t\\t"JWT-Signer-A": "[A-Za-z0-9+/=]+",\\n\\t\\t"x509-CA-A": "${p256.replaceAll('+', '\\+')}"\\n\\t\\}\\n\\}$`,
      ),
    )
  })

  it('without keys, or with members of a later version, is read', async () => {
    const path = join(await folder(), 'keys.json')
    await writeFile(path, '{"keys": null, "more": {"a": 1}}')
    expect(await (await DiskKeyManager.openFile(path)).listKeys()).toEqual([])
  })

  it('gives the same keys after a restart', async () => {
    const path = join(await folder(), 'keys.json')
    const made = await (await DiskKeyManager.openFile(path)).generateKey('a', 'ec-p384')
    const found = await (await DiskKeyManager.openFile(path)).getKey('a')
    expect(found.publicKey).toEqual(made.publicKey)
    expect(found.type).toBe('ec-p384')
  })

  it('is private whatever the umask and whatever it was before', async () => {
    const path = join(await folder(), 'keys.json')
    await writeFile(path, '{}')
    await writeFile(`${path}.tmp`, 'left behind')
    await chmod(path, 0o666)
    await chmod(`${path}.tmp`, 0o666)
    await (await DiskKeyManager.openFile(path)).generateKey('a', 'ec-p256')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('is not written through a link that somebody put in the way', async () => {
    const path = join(await folder(), 'keys.json')
    const elsewhere = join(await folder(), 'elsewhere')
    await symlink(elsewhere, `${path}.tmp`)
    const keys = await DiskKeyManager.openFile(path)
    await expect(keys.generateKey('a', 'ec-p256')).rejects.toMatchObject({
      code: 'ERR_KEY_FILE_UNUSABLE',
    })
    await expect(stat(elsewhere)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('that cannot be written leaves the earlier keys on disk and in use', async () => {
    const directory = await folder()
    const path = join(directory, 'keys.json')
    const keys = await DiskKeyManager.openFile(path)
    const old = await keys.generateKey('a', 'ec-p256')
    const before = await readFile(path, 'utf8')
    await rm(directory, { recursive: true })
    await expect(keys.generateKey('a', 'ec-p256')).rejects.toMatchObject({
      code: 'ERR_KEY_FILE_UNUSABLE',
      message: `keymanager(disk): failed to generate key: unable to write entries: open ${path}.tmp: no such file or directory`,
    })
    expect((await keys.getKey('a')).publicKey).toEqual(old.publicKey)
    await expect(old.sign(Buffer.from('x'), { hash: 'sha256' })).resolves.toBeDefined()
    expect(before).toContain('"a"')
  })
})

describe("an agent's key directory", () => {
  it('is made private and leaves no probe behind', async () => {
    const directory = join(await folder(), 'a', 'b')
    const keys = await DiskKeyManager.openDirectory(directory)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    await keys.generateKey('agent-svid-A', 'ec-p256')
    expect(await readdir(directory)).toEqual(['keys.json'])
  })

  it('that is no directory is refused', async () => {
    const path = join(await folder(), 'file')
    await writeFile(path, '')
    await expect(DiskKeyManager.openDirectory(path)).rejects.toMatchObject({
      code: 'ERR_KEY_FILE_UNUSABLE',
      message: expect.stringMatching(/^directory validation failed: /),
    })
  })
})
