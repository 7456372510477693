import { readFileSync, writeFileSync } from 'node:fs'
import type { NodeAttestation as Conversation } from '@mini-spire/agent/plugins/node-attestor/node-attestor'
import { nodeAttestorContract as agentContract } from '@mini-spire/agent/plugins/node-attestor/node-attestor.contract'
import { TpmDevIdAttestor as AgentSide } from '@mini-spire/agent/plugins/node-attestor/tpm-devid/tpm-devid'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { attestationContext } from '@mini-spire/server/plugins/node-attestor/attestation-context.test-kit'
import type { NodeAttestation } from '@mini-spire/server/plugins/node-attestor/node-attestor'
import { TpmDevIdAttestor } from '@mini-spire/server/plugins/node-attestor/tpm-devid/tpm-devid'
import { readTpmDevIdConfig } from '@mini-spire/server/plugins/node-attestor/tpm-devid/tpm-devid-config'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { Scene } from '../kit/processes.ts'
import { DevIdAuthority, type DevIdFiles, isSwtpmMissing, Swtpm } from '../kit/swtpm.ts'

const isMissing = isSwtpmMissing()
const isSocatMissing = !hasProgram('socat', '-V') && missingPeer('socat', 'apt-get install socat')
const never = new AbortController().signal
const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'

interface Passwords {
  readonly key?: string
  readonly owner?: string
  readonly endorsement?: string
}

describe.skipIf(isMissing)('tpm_devid over a TPM', () => {
  let scene: Scene
  let tpm: Swtpm
  let other: Swtpm
  let authority: DevIdAuthority
  let files: DevIdFiles
  beforeAll(() => {
    scene = new Scene()
    tpm = Swtpm.start(scene, 'one')
    other = Swtpm.start(scene, 'other')
    authority = new DevIdAuthority(scene)
    files = tpm.makeDevId('device-1', authority)
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())

  async function agent(
    of: DevIdFiles = files,
    path = tpm.socket,
    { key = '', owner = '', endorsement = '' }: Passwords = {},
  ): Promise<AgentSide> {
    return await AgentSide.create({
      files: {
        certificatePath: of.certificate,
        privatePath: of.privateBlob,
        publicPath: of.publicBlob,
      },
      passwords: {
        devIdKey: Buffer.from(key),
        ownerHierarchy: Buffer.from(owner),
        endorsementHierarchy: Buffer.from(endorsement),
      },
      devicePath: path,
      clock: systemClock,
    })
  }

  function server(endorsementRoots = tpm.endorsementRoots): TpmDevIdAttestor {
    const text = `devid_ca_path = "${authority.certificate}" endorsement_ca_path = "${endorsementRoots}"`
    const surroundings = { trustDomain: TrustDomain.parse('example.org'), clock: systemClock }
    return new TpmDevIdAttestor(readTpmDevIdConfig(parseConfig(text), surroundings))
  }

  type Change = (payload: Record<string, unknown>) => Record<string, unknown>
  async function attest(
    by: TpmDevIdAttestor,
    of: AgentSide,
    change: Change = (same) => same,
  ): Promise<NodeAttestation> {
    const { payload, answer, end } = await of.begin({ signal: never })
    try {
      const shown = Buffer.from(JSON.stringify(change(fieldsOf(payload))))
      return await by.attest(shown, attestationContext({ answer }))
    } finally {
      await end?.()
    }
  }

  const fieldsOf = (payload: Uint8Array): Record<string, unknown> =>
    JSON.parse(Buffer.from(payload).toString())
  async function evidenceOf(one: AgentSide): Promise<Record<string, unknown>> {
    const { payload, end } = await one.begin({ signal: never })
    await end?.()
    return fieldsOf(payload)
  }

  agentContract({ describe, it, expect }, 'tpm_devid', () => agent())

  it.each(['rsa2048:rsassa-sha256:null', 'ecc256:ecdsa-sha256:null', 'ecc384:ecdsa-sha256:null'])(
    'attests a device with a key %s, again and again, and leaves nothing in the TPM',
    async (algorithm) => {
      const name = algorithm.slice(0, 6)
      const one = await agent(tpm.makeDevId(name, authority, { algorithm }))
      const before = tpm.loaded()
      const first = await attest(server(), one)
      expect(first.selectorValues).toEqual([
        `subject:cn:${name}`,
        'issuer:cn:devid-ca',
        expect.stringMatching(/^ca:fingerprint:[0-9a-f]{40}$/),
      ])
      expect(first.canReattest).toBe(true)
      expect(await attest(server(), one)).toEqual(first)
      expect(tpm.loaded()).toBe(before)
    },
  )

  it('takes the blobs as tpm2-tools write them', async () => {
    const [privateBlob, publicBlob] = [files.privateBlob, files.publicBlob].map((path) => {
      const bytes = readFileSync(path)
      const size = Buffer.alloc(2)
      size.writeUInt16BE(bytes.length)
      writeFileSync(`${path}.sized`, Buffer.concat([size, bytes]))
      return `${path}.sized`
    })
    const sized = { ...files, privateBlob: privateBlob ?? '', publicBlob: publicBlob ?? '' }
    expect((await attest(server(), await agent(sized))).canReattest).toBe(true)
  })

  it.skipIf(isSocatMissing)('attests over a character device', async () => {
    const device = scene.path('tpm-device')
    const bridge = scene.start({ command: 'socat', args: [] }, [
      '-d',
      '-d',
      `PTY,link=${device},rawer`,
      `UNIX-CONNECT:${tpm.socket}`,
    ])
    await bridge.waitFor('starting data transfer loop')
    const { selectorValues } = await attest(server(), await agent(files, device))
    expect(selectorValues).toContain('subject:cn:device-1')
    await bridge.stop()
  })

  it('unlocks the key and both hierarchies, and says which of them it cannot', async () => {
    const locked = Swtpm.start(scene, 'locked')
    const one = locked.makeDevId('locked', authority, { password: 'k' })
    locked.tool('tpm2_changeauth', '-c', 'o', 'o-secret')
    locked.tool('tpm2_changeauth', '-c', 'e', 'e-secret')
    const passwords = { key: 'k', owner: 'o-secret', endorsement: 'e-secret' }
    const attempt = async (change: Passwords): Promise<NodeAttestation> => {
      const by = await agent(one, locked.socket, { ...passwords, ...change })
      return await attest(server(locked.endorsementRoots), by)
    }
    expect((await attempt({})).canReattest).toBe(true)
    await expect(attempt({ owner: '' })).rejects.toThrow(
      /unable to start a new TPM session: cannot load DevID key on TPM: tpm2.CreatePrimaryEx failed: response code 0x9a2/,
    )
    await expect(attempt({ endorsement: 'x' })).rejects.toThrow(
      /unable to start a new TPM session: cannot create endorsement key: response code 0x9a2/,
    )
    await expect(attempt({ key: 'x' })).rejects.toThrow(
      /unable to certify DevID key: tpm2.Certify failed: response code 0x98e: the authorization HMAC check failed/,
    )
    expect(locked.loaded()).toBe('')
  })

  it('refuses a key that may leave its TPM', async () => {
    const free = attributes.replace('fixedtpm|fixedparent|', '')
    const one = await agent(tpm.makeDevId('free', authority, { attributes: free }))
    await expect(attest(server(), one)).rejects.toThrow(
      'cannot verify that DevID is in the same TPM than AK: DevID key is not fixed to its TPM',
    )
  })

  it('refuses a key whose certificate is of another', async () => {
    const { certificate } = tpm.makeDevId('device-2', authority)
    const one = await agent({ ...files, certificate })
    await expect(attest(server(), one)).rejects.toThrow(
      'DevID key is not the key of the DevID certificate',
    )
  })

  it('refuses a TPM of a manufacturer that nobody knows', async () => {
    await expect(attest(server(other.endorsementRoots), await agent())).rejects.toThrow(
      'cannot verify EK signature: endorsement certificate verification failed: ',
    )
  })

  it('refuses the name of another TPM: this one cannot open what was made for that one', async () => {
    const { EKCert, EKPub } = await evidenceOf(
      await agent(other.makeDevId('elsewhere', authority), other.socket),
    )
    const attempt = attest(server(other.endorsementRoots), await agent(), (all) => ({
      ...all,
      EKCert,
      EKPub,
    }))
    await expect(attempt).rejects.toThrow(
      /unable to solve proof of residency challenge: failed to activate credential: response code 0x/,
    )
    expect(tpm.loaded()).toBe('')
  })

  it('refuses an attestation key that is not in the TPM any more', async () => {
    const { AKPub, CertifiedDevID, CertificationSignature } = await evidenceOf(await agent())
    const earlier = { AKPub, CertifiedDevID, CertificationSignature }
    const attempt = attest(server(), await agent(), (all) => ({ ...all, ...earlier }))
    await expect(attempt).rejects.toThrow('failed to activate credential: response code 0x')
  })

  it('does not load a key of another TPM', async () => {
    const one = await agent(files, other.socket)
    await expect(attest(server(), one)).rejects.toThrow(
      'cannot load DevID key on TPM: tpm2.Load failed: response code 0x1df: integrity check failed',
    )
    expect(other.loaded()).toBe('')
  })

  const nonceOf = (bytes: number): string => Buffer.alloc(bytes).toString('base64')
  it.each([
    ['that is not JSON', '{', 'invalid JSON'],
    ['of nothing', 'null', 'invalid nonce size'],
    ['that is no nonce', JSON.stringify({ DevID: nonceOf(33) }), 'invalid nonce size'],
    [
      'without a credential',
      JSON.stringify({ DevID: nonceOf(32), CredActivation: null }),
      'received empty credential activation challenge from server',
    ],
    ['of 100 kB', 'x'.repeat(100_000), 'too long'],
  ])('does not answer a challenge %s, and unloads its keys', async (_, challenge, message) => {
    const conversation: Conversation = await (await agent()).begin({ signal: never })
    await expect(conversation.answer(Buffer.from(challenge))).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CHALLENGE',
        message: expect.stringContaining(message),
      }),
    )
    expect(tpm.loaded()).not.toBe('')
    await conversation.end?.()
    expect(tpm.loaded()).toBe('')
  })

  it('unloads its keys when nobody waits any more', async () => {
    const stop = new AbortController()
    const conversation = await (await agent()).begin({ signal: stop.signal })
    stop.abort(new Error('stopped'))
    const challenge = await challengeFor(conversation)
    await expect(conversation.answer(challenge)).rejects.toThrow('stopped')
    await conversation.end?.()
    expect(tpm.loaded()).toBe('')
  })

  async function challengeFor({ payload }: Conversation): Promise<Uint8Array> {
    let seen: Uint8Array = Buffer.alloc(0)
    const context = attestationContext({
      answer: (challenge) => {
        seen = challenge
        return Buffer.from('{}')
      },
    })
    await expect(server().attest(payload, context)).rejects.toThrow('devID challenge verification')
    return seen
  }
})
