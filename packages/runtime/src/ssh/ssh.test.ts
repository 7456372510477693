import { describe, expect, it } from 'vitest'
import { readSignature, SshPublicKey } from './ssh-public-key.ts'
import { sshString, sshUnsigned } from './ssh-writer.ts'

describe('a key on the wire', () => {
  it.each([
    [
      'an unknown algorithm',
      [sshString('ssh-dss')],
      'ERR_SSH_UNSUPPORTED',
      'unknown key algorithm: ssh-dss',
    ],
    [
      'a small curve',
      [sshString('ecdsa-sha2-x'), sshString('x')],
      'ERR_SSH_UNSUPPORTED',
      'unsupported curve "x"',
    ],
    [
      'another curve than its name',
      [sshString('ecdsa-sha2-nistp256'), sshString('nistp384'), sshString(Buffer.alloc(97, 4))],
      'ERR_SSH_MALFORMED',
      'not a point of the curve',
    ],
    [
      'no point of its curve',
      [sshString('ecdsa-sha2-nistp256'), sshString('nistp256'), sshString(Buffer.alloc(65, 4))],
      'ERR_SSH_MALFORMED',
      'not a key',
    ],
    [
      'a huge RSA key',
      [sshString('ssh-rsa'), sshUnsigned(Buffer.of(3)), sshUnsigned(Buffer.alloc(1025, 7))],
      'ERR_SSH_UNSUPPORTED',
      'RSA keys over 8192 bits are not read',
    ],
    [
      'a negative number',
      [sshString('ssh-rsa'), sshString(Buffer.of(0x80)), sshUnsigned(Buffer.of(7))],
      'ERR_SSH_MALFORMED',
      'negative number',
    ],
    [
      'a length beyond its end',
      [Buffer.of(0xff, 0xff, 0xff, 0xff, 1)],
      'ERR_SSH_MALFORMED',
      'short read',
    ],
  ])('with %s is refused', (_, parts, code, message) => {
    expect(() => SshPublicKey.parse(Buffer.concat(parts))).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(`ssh: ${message}`) }),
    )
  })

  it('has signatures with nothing behind them', () => {
    const signature = Buffer.concat([sshString('f'), sshString('b')])
    expect(readSignature(signature)).toEqual({ format: 'f', blob: Buffer.from('b') })
    expect(() => readSignature(Buffer.concat([signature, Buffer.of(1)]))).toThrow(
      'trailing junk in signature',
    )
  })
})
