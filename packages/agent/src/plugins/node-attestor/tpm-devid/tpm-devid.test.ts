import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { makeSoftKey, softRoles } from '@mini-spire/runtime/tpm/soft-tpm.test-kit'
import { uint16, uint32 } from '@mini-spire/runtime/tpm/tpm-writer'
import { makeTestCertificate, testName } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeAttestorBuiltIns } from '../built-ins.ts'
import { readDevId } from './devid-files.ts'
import { findTpm } from './find-tpm.ts'
import { openTpmChannel } from './tpm-channel.ts'
import { TpmDevIdAttestor } from './tpm-devid.ts'
import { TpmResponseError } from './tpm-response-error.ts'

const never = new AbortController().signal
const clock = new FakeClock()
const none = Buffer.alloc(0)
let folder: string
const servers: Server[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tpm-devid-'))
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A program on a Unix socket that answers each command as it is told to. */
async function answering(answer: (socket: Socket, command: Buffer) => void): Promise<string> {
  const path = join(folder, `tpm-${servers.length}`)
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (command) => answer(socket, command as Buffer))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return path
}

const response = (code: number, body: Buffer = none): Buffer =>
  Buffer.concat([uint16(0x8001), uint32(10 + body.length), uint32(code), body])

describe('a way to a TPM', () => {
  const ask = async (path: string, by: FakeClock = clock, signal = never): Promise<Buffer> => {
    const channel = await openTpmChannel({ path, clock: by })
    try {
      return await channel.exchange(Buffer.of(1), signal)
    } finally {
      await channel.close()
    }
  }

  it('puts a response together that comes in pieces', async () => {
    const whole = response(0, Buffer.from('abc'))
    const path = await answering((socket) => {
      socket.write(whole.subarray(0, 3), () => socket.write(whole.subarray(3)))
    })
    expect(await ask(path)).toEqual(whole)
  })

  it.each([
    ['nothing', none, 'the TPM closed the connection before it answered'],
    ['half of it', response(0, Buffer.alloc(9)).subarray(0, 12), 'closed the connection'],
    ['more than it says', Buffer.concat([response(0), Buffer.of(0)]), 'wrong size: 10'],
    ['a size that is too small', Buffer.alloc(10), 'wrong size: 0'],
    ['a size that is too large', Buffer.alloc(10, 0xff), 'wrong size: 4294967295'],
    ['a megabyte', Buffer.alloc(1_000_000), /wrong size: 0|more than 4096 bytes/],
  ] as const)('is refused when it answers %s', async (_, bytes, message) => {
    const path = await answering((socket) => socket.end(bytes))
    await expect(ask(path)).rejects.toThrow(message)
  })

  it('is given up when it does not answer in time', async () => {
    const time = new FakeClock()
    const path = await answering(() => time.advance(180_000))
    await expect(ask(path, time)).rejects.toThrow('the TPM does not answer')
    expect(time.timerCount).toBe(0)
  })

  it('is given up when nobody waits any more', async () => {
    const stop = new AbortController()
    const path = await answering(() => stop.abort(new Error('stopped')))
    await expect(ask(path, clock, stop.signal)).rejects.toThrow('stopped')
    await expect(ask(path, clock, stop.signal)).rejects.toThrow('stopped')
  })

  it('may be a character device', async () => {
    await expect(ask('/dev/null')).rejects.toThrow('the TPM closed the connection')
    await expect(ask('/dev/zero')).rejects.toThrow('wrong size: 0')
  })

  it('is neither a file nor missing', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await expect(ask(file)).rejects.toThrow(`unsupported TPM file mode ${file}`)
    const missing = join(folder, 'missing')
    await expect(ask(missing)).rejects.toThrow(`stat ${missing}: no such file or directory`)
  })
})

describe('the TPM of a machine', () => {
  const withDevices = (...names: readonly string[]): Promise<string> => {
    for (const name of names) writeFileSync(join(folder, name), '')
    return findTpm(folder)
  }

  it('is the one with a resource manager, else the one without', async () => {
    expect(await withDevices('tpm0', 'null', 'tpmx')).toBe(join(folder, 'tpm0'))
    expect(await withDevices('tpmrm0')).toBe(join(folder, 'tpmrm0'))
  })

  it('is none when there are none, or several', async () => {
    await expect(withDevices('null')).rejects.toThrow('not found')
    await expect(withDevices('tpm0', 'tpm1')).rejects.toThrow(
      'more than one possible TPM device was found',
    )
    await expect(withDevices('tpmrm0', 'tpmrm1')).rejects.toThrow('more than one')
  })
})

interface Files {
  readonly certificatePath: string
  readonly privatePath: string
  readonly publicPath: string
}

const area = makeSoftKey(softRoles.devId).area
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const issuer = { name: testName('ca'), privateKey }
const life = { notBefore: new Date(0), notAfter: new Date(1e12) }
const certificate = pemEncode('CERTIFICATE', makeTestCertificate(issuer, { publicKey, ...life }))

function writeDevId(blobs: { readonly private?: Buffer; readonly public?: Buffer } = {}): Files {
  const files = {
    certificatePath: join(folder, 'devid.crt'),
    privatePath: join(folder, 'devid.priv'),
    publicPath: join(folder, 'devid.pub'),
  }
  writeFileSync(files.certificatePath, certificate)
  writeFileSync(files.privatePath, blobs.private ?? Buffer.alloc(200, 7))
  writeFileSync(files.publicPath, blobs.public ?? area)
  return files
}

describe('a DevID in files', () => {
  it('may have the size of its blobs in front of them, as tpm2-tools write it', async () => {
    const sized = (bytes: Buffer): Buffer => Buffer.concat([uint16(bytes.length), bytes])
    const secret = Buffer.alloc(200, 7)
    const plain = await readDevId(writeDevId())
    expect(plain.key).toEqual({ privateArea: secret, publicArea: area })
    const found = await readDevId(writeDevId({ private: sized(secret), public: sized(area) }))
    expect(found.key).toEqual(plain.key)
  })

  it.each([
    ['certificatePath', 'cannot load certificate(s): open '],
    ['privatePath', 'cannot load private key: open '],
    ['publicPath', 'cannot load public key: open '],
  ] as const)('is not read without %s', async (key, message) => {
    const files = { ...writeDevId(), [key]: '/missing' }
    await expect(readDevId(files)).rejects.toThrow(`${message}/missing: no such file or directory`)
  })

  it('needs a certificate', async () => {
    const files = writeDevId()
    writeFileSync(files.certificatePath, 'text')
    await expect(readDevId(files)).rejects.toThrow('no certificates found in file')
    writeFileSync(
      files.certificatePath,
      '-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n',
    )
    await expect(readDevId(files)).rejects.toThrow('unable to parse certificate in block 0: ')
  })
})

describe('tpm_devid', () => {
  const passwords = { devIdKey: none, ownerHierarchy: none, endorsementHierarchy: none }
  const create = (devicePath: string, files: Files = writeDevId()): Promise<TpmDevIdAttestor> =>
    TpmDevIdAttestor.create({ files, passwords, devicePath, deviceFolder: folder, clock })
  const begin = async (devicePath: string, files?: Files): Promise<unknown> =>
    await (await create(devicePath, files)).begin({ signal: never })
  const refusal = (message: string): unknown =>
    expect.objectContaining({
      code: 'ERR_NODE_ATTESTOR_CREDENTIAL',
      kind: 'internal',
      message: expect.stringContaining(`nodeattestor(tpm_devid): ${message}`),
    })

  it('needs a TPM and a DevID when it is made', async () => {
    await expect(create('')).rejects.toThrow(refusal('tpm autodetection failed: not found'))
    const files = { ...writeDevId(), privatePath: '/missing' }
    await expect(create('/dev/null', files)).rejects.toThrow(
      refusal('unable to load DevID files: cannot load private key: open /missing: '),
    )
  })

  it('does not begin without a TPM', async () => {
    await expect(begin(join(folder, 'missing'))).rejects.toThrow(
      refusal(`unable to start a new TPM session: cannot open TPM at "${folder}/missing": stat `),
    )
  })

  it.each([
    [Buffer.of(1), 'tpm2.DecodePublic failed: unexpected EOF'],
    [makeSoftKey(softRoles.endorsement).area, 'not a signing key'],
    [makeSoftKey({ attributes: ['sign'] }).area, 'signature hash algorithm is NULL'],
  ])('does not begin with a key that cannot sign', async (publicArea, message) => {
    await expect(begin('/dev/null', writeDevId({ public: publicArea }))).rejects.toThrow(
      refusal(`unable to start a new TPM session: cannot load DevID key on TPM: ${message}`),
    )
  })

  it('says what the TPM refuses', async () => {
    const path = await answering((socket) => socket.end(response(0x9a2)))
    await expect(begin(path)).rejects.toThrow(
      refusal(
        'unable to start a new TPM session: cannot load DevID key on TPM: tpm2.CreatePrimaryEx failed: ' +
          'response code 0x9a2: authorization failure without DA implications',
      ),
    )
  })

  it.each([
    [0, 'cannot load DevID key on TPM: tpm2.CreatePrimaryEx failed'],
    [1, 'cannot load DevID key on TPM: tpm2.Load failed'],
    [2, 'cannot create attestation key: failed to create SRK'],
    [3, 'cannot create attestation key: failed to create AK'],
    [4, 'cannot load attestation key: tpm2.Load failed'],
    [5, 'cannot create endorsement key'],
  ])('says which key the TPM has no room for: number %i', async (place, what) => {
    const flush = 0x165
    // A handle, the length of the parameters, and in them two things of no length.
    const made = Buffer.concat([uint32(0x80000000), uint32(4), uint16(0), uint16(0)])
    let asked = 0
    const path = await answering((socket, command) => {
      if (command.readUInt32BE(6) === flush) socket.end(response(0))
      else if (asked++ === place) socket.end(response(0x902))
      else {
        const create = 0x153
        const body = command.readUInt32BE(6) === create ? made.subarray(4) : made
        socket.end(Buffer.concat([uint16(0x8002), uint32(10 + body.length), uint32(0), body]))
      }
    })
    await expect(begin(path)).rejects.toThrow(
      refusal(
        `unable to start a new TPM session: ${what}: response code 0x902: out of memory for object contexts`,
      ),
    )
  })

  it('tries again while the TPM is busy, ten times', async () => {
    let asked = 0
    const pauses: number[] = []
    const time = new FakeClock()
    const hurried: Clock = {
      now: () => time.now(),
      nowMs: () => time.nowMs(),
      setTimer: (ms, callback) => {
        if (ms > 1000) return time.setTimer(ms, callback)
        pauses.push(ms)
        queueMicrotask(callback)
        return { cancel: () => undefined }
      },
    }
    const devicePath = await answering((socket) => {
      asked++
      socket.end(response(0x922))
    })
    const options = { files: writeDevId(), passwords, devicePath, clock: hurried }
    const made = await TpmDevIdAttestor.create(options)
    await expect(made.begin({ signal: never })).rejects.toThrow('response code 0x922: ')
    expect([asked, ...pauses]).toEqual([10, ...Array.from({ length: 9 }, () => 500)])
  })

  it('knows what codes mean, with and without a parameter', () => {
    expect(new TpmResponseError(0x1df).message).toBe('response code 0x1df: integrity check failed')
    expect(new TpmResponseError(0x902).message).toContain('out of memory for object contexts')
    expect(new TpmResponseError(0x1ff).message).toContain('see TPM 2.0 Part 2')
  })

  it.each(['devid_cert_path', 'devid_priv_path', 'devid_pub_path'])('needs %s', async (key) => {
    const keys = ['devid_cert_path', 'devid_priv_path', 'devid_pub_path']
    const text = keys.map((one) => `${one} = "${one === key ? '' : 'x'}"`).join('\n')
    const http = new HttpClient({ environment: {}, clock })
    const made = nodeAttestorBuiltIns.get('tpm_devid')?.(parseConfig(text), { http })
    await expect(made).rejects.toThrow(`invalid configuration: ${key} is required`)
  })
})
