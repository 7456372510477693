import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAuthorizedKey } from '@mini-spire/runtime/ssh/authorized-key'
import { SshCertificate } from '@mini-spire/runtime/ssh/ssh-certificate'
import { SshPrivateKey } from '@mini-spire/runtime/ssh/ssh-private-key'
import { SshPublicKey } from '@mini-spire/runtime/ssh/ssh-public-key'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasProgram, missingPeer } from '../kit/peers.ts'

const now = new Date()
let folder: string
/** Keys that OpenSSH made, by type. */
const types = ['rsa-2048', 'ecdsa-256', 'ecdsa-384', 'ecdsa-521', 'ed25519'] as const

function keygen(...args: readonly string[]): void {
  execFileSync('ssh-keygen', ['-q', ...args], { cwd: folder })
}

function makeKey(name: string, type: string, ...more: readonly string[]): void {
  const [kind = '', bits] = type.split('-')
  keygen('-t', kind, ...(bits ? ['-b', bits] : []), '-N', '', '-f', name, ...more)
}

function certify(authority: string, key: string, ...options: readonly string[]): SshCertificate {
  keygen('-s', authority, '-I', 'id', ...options, `${key}.pub`)
  return SshCertificate.parse(parseAuthorizedKey(text(`${key}-cert.pub`)))
}

const text = (name: string): string => readFileSync(join(folder, name), 'utf8')
const publicKey = (name: string): Buffer => parseAuthorizedKey(text(`${name}.pub`))
const trust = (authority: string) => ({
  now,
  isAuthority: (key: Uint8Array) => publicKey(authority).equals(key),
})

function isOpenSshMissing(): boolean {
  if (hasProgram('sh', '-c', 'command -v ssh-keygen')) return false
  return missingPeer('OpenSSH', 'apt-get install openssh-client')
}

describe.skipIf(isOpenSshMissing())('OpenSSH', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ssh-'))
    for (const type of types) {
      makeKey(type, type)
      makeKey(`ca-${type}`, type)
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(types)('%s certificates and keys are read, and signatures verify', (type) => {
    const certificate = certify(`ca-${type}`, type, '-h', '-n', 'host.test,other', '-z', '77')
    certificate.checkHost('host.test', trust(`ca-${type}`))
    expect(certificate).toMatchObject({
      keyId: 'id',
      serial: 77n,
      type: 2,
      principals: ['host.test', 'other'],
      criticalOptions: [],
    })
    const key = SshPrivateKey.parse(text(type))
    expect(key.belongsTo(certificate.publicKey.key)).toBe(true)
    expect(key.belongsTo(SshPublicKey.parse(publicKey(`ca-${type}`)).key)).toBe(false)
    const data = Buffer.from('data')
    const signature = key.sign(data)
    expect(certificate.publicKey.verifies(data, signature)).toBe(true)
    expect(certificate.publicKey.verifies(Buffer.from('other'), signature)).toBe(false)
    for (const format of ['', 'ssh-dss', 'rsa-sha2-256', 'ssh-ed25519', 'ecdsa-sha2-nistp256']) {
      if (format === signature.format) continue
      expect(certificate.publicKey.verifies(data, { ...signature, format })).toBe(false)
    }
  })

  it('keys in OpenSSL’s form are read, locked ones are not', () => {
    makeKey('pem', 'rsa-2048', '-m', 'PEM')
    expect(SshPrivateKey.parse(text('pem')).sign(Buffer.of(1)).format).toBe('rsa-sha2-512')
    keygen('-t', 'ed25519', '-N', 'passphrase', '-f', 'locked')
    expect(() => SshPrivateKey.parse(text('locked'))).toThrow(
      expect.objectContaining({
        code: 'ERR_SSH_UNSUPPORTED',
        message: 'ssh: this private key is passphrase protected',
      }),
    )
    expect(() => SshPrivateKey.parse('nothing')).toThrow('ssh: no key found')
  })

  it.each([
    ['user', [], 'certificate presented as a host key has type 1'],
    ['other name', ['-h', '-n', 'other'], 'principal "host.test" not in the set'],
    ['expired', ['-h', '-n', 'host.test', '-V', '-2d:-1d'], 'cert has expired'],
    ['early', ['-h', '-n', 'host.test', '-V', '+1d:+2d'], 'cert is not yet valid'],
  ])('%s certificates are refused', (_, options, message) => {
    const certificate = certify('ca-ed25519', 'ed25519', ...options)
    expect(() => certificate.checkHost('host.test', trust('ca-ed25519'))).toThrow(
      expect.objectContaining({
        code: 'ERR_SSH_REFUSED',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('certificates of others, and with unknown options, are refused', () => {
    const certificate = certify('ca-ed25519', 'ed25519', '-h', '-n', 'host.test')
    expect(() => certificate.checkHost('host.test', trust('ca-rsa-2048'))).toThrow(
      'ssh: no authorities for hostname: host.test:22',
    )
    const odd = certify('ca-ed25519', 'ed25519', '-h', '-n', 'host.test', '-O', 'critical:odd=x')
    expect(() => odd.checkHost('host.test', trust('ca-ed25519'))).toThrow(
      'unsupported critical option "odd" in certificate',
    )
  })

  it('certificates with any byte changed are refused or another’s', () => {
    const { raw } = certify('ca-ed25519', 'ed25519', '-h', '-n', 'host.test')
    for (let at = 0; at < raw.length; at++) {
      const changed = Buffer.from(raw)
      changed[at] = (changed[at] ?? 0) ^ 0x10
      expect(() =>
        SshCertificate.parse(changed).checkHost('host.test', trust('ca-ed25519')),
      ).toThrow()
    }
    for (let length = 0; length < raw.length; length++) {
      expect(() => SshCertificate.parse(raw.subarray(0, length))).toThrow(/^ssh: /)
    }
    expect(() => SshCertificate.parse(Buffer.concat([raw, Buffer.of(0)]))).toThrow('trailing junk')
  })

  it('plain keys are no certificates', () => {
    expect(() => SshCertificate.parse(publicKey('ed25519'))).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_UNSUPPORTED', message: 'ssh: not a certificate' }),
    )
  })

  it('lines of keys may have options and comments', () => {
    const [algorithm, encoded] = text('ed25519.pub').split(' ')
    const key = publicKey('ed25519')
    for (const line of [
      `cert-authority,principals="a b" ${algorithm} ${encoded} me@host`,
      `# comment\n\n${algorithm}\t${encoded}`,
    ]) {
      expect(parseAuthorizedKey(line)).toEqual(key)
    }
    for (const line of ['', '# only', `${algorithm}`, `ssh-rsa ${encoded}`, 'x y z']) {
      expect(() => parseAuthorizedKey(line)).toThrow('ssh: no key found')
    }
  })
})
