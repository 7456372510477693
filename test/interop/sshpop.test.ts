import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { nodeAttestorContract as agentContract } from '@mini-spire/agent/plugins/node-attestor/node-attestor.contract'
import { SshPopAttestor as AgentSide } from '@mini-spire/agent/plugins/node-attestor/ssh-pop/ssh-pop'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { SshCertificate } from '@mini-spire/runtime/ssh/ssh-certificate'
import { sshString } from '@mini-spire/runtime/ssh/ssh-writer'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { attestationContext } from '@mini-spire/server/plugins/node-attestor/attestation-context.test-kit'
import { twinOfSshCertificate } from '@mini-spire/server/plugins/node-attestor/certificate-twin'
import type { NodeAttestation } from '@mini-spire/server/plugins/node-attestor/node-attestor'
import { nodeAttestorContract } from '@mini-spire/server/plugins/node-attestor/node-attestor.contract'
import { SshPopAttestor } from '@mini-spire/server/plugins/node-attestor/ssh-pop/ssh-pop'
import { readSshPopConfig } from '@mini-spire/server/plugins/node-attestor/ssh-pop/ssh-pop-config'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { Scene } from '../kit/processes.ts'

const isMissing =
  !hasProgram('sh', '-c', 'command -v ssh-keygen') &&
  missingPeer('OpenSSH', 'apt-get install openssh-client')
const surroundings = { trustDomain: TrustDomain.parse('example.org'), clock: systemClock }
const configure = (text: string): SshPopAttestor =>
  new SshPopAttestor(readSshPopConfig(parseConfig(text), surroundings))

describe.skipIf(isMissing)('sshpop', () => {
  let scene: Scene
  let authority: string
  let agent: AgentSide
  let server: SshPopAttestor
  beforeAll(async () => {
    scene = new Scene()
    authority = scene.path('ca')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', authority])
    agent = await makeHost('host', authority, '-n', 'web.example.org,other')
    server = configure(`cert_authorities_path = "${authority}.pub"`)
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())

  async function makeHost(
    name: string,
    ca: string,
    ...options: readonly string[]
  ): Promise<AgentSide> {
    const keygen = (...args: readonly string[]): void => {
      execFileSync('ssh-keygen', ['-q', ...args])
    }
    const key = scene.path(name)
    keygen('-t', 'ecdsa', '-N', '', '-f', key)
    keygen('-s', ca, '-I', 'host', '-h', ...options, `${key}.pub`)
    return await AgentSide.create({ hostKeyPath: key, hostCertificatePath: `${key}-cert.pub` })
  }

  type Change = (text: string) => string
  async function attest(
    change: { readonly payload?: Change; readonly answer?: Change } = {},
    by = server,
    of = agent,
  ): Promise<NodeAttestation> {
    const same: Change = (text) => text
    const { payload, answer } = await of.begin()
    const changed = (bytes: Uint8Array, how: Change = same): Buffer =>
      Buffer.from(how(Buffer.from(bytes).toString()))
    const context = attestationContext({
      answer: async (challenge) => changed(await answer(challenge), change.answer),
    })
    return await by.attest(changed(payload, change.payload), context)
  }

  agentContract({ describe, it, expect }, 'sshpop', () => agent)
  nodeAttestorContract({ describe, it, expect }, 'sshpop', async () => {
    const { payload, answer } = await agent.begin()
    return { attestor: server, payload, answer }
  })

  it('attests a host by its certificate and key', async () => {
    const { agentId, selectorValues, canReattest } = await attest()
    expect(agentId).toMatch(/^spiffe:\/\/example\.org\/spire\/agent\/sshpop\/[A-Za-z0-9_-]{43}$/)
    expect({ selectorValues, canReattest }).toEqual({ selectorValues: [], canReattest: true })
    expect((await attest()).agentId).toBe(agentId)
  })

  it('names the agent by a template and without its domain', async () => {
    const by = configure(`cert_authorities = ["${readFileSync(`${authority}.pub`, 'utf8').trim()}"]
      canonical_domain = "example.org"
      agent_path_template = "/{{ .PluginName }}/{{ .Certificate.KeyId }}/{{ if and (eq .Serial 0) (eq .CertType 2) }}{{ regexFind \\"^[a-z]+\\" .Hostname }}{{ end }}"`)
    expect((await attest({}, by)).agentId).toBe('spiffe://example.org/spire/agent/sshpop/host/web')
    const elsewhere = configure(
      `cert_authorities_path = "${authority}.pub" canonical_domain = "test"`,
    )
    await expect(attest({}, elsewhere)).rejects.toThrow(
      'failed to decanonicalize hostname: cert principal is not in domain ".test"',
    )
  })

  it('refuses every change of a byte of the certificate', async () => {
    const { payload } = await agent.begin()
    const raw = Buffer.from(JSON.parse(Buffer.from(payload).toString()).Certificate, 'base64')
    for (let at = 0; at < raw.length; at++) {
      const changed = Buffer.from(raw)
      changed[at] = (changed[at] ?? 0) ^ 1
      const Certificate = changed.toString('base64')
      const attempt = attest({ payload: () => JSON.stringify({ Certificate }) })
      await expect(attempt).rejects.toThrow(/^failed to (parse public key|check host key): /)
    }
  })

  it.each(['256', '384', '521'])(
    'knows a certificate again whose signature by a key of %s bits is written otherwise',
    async (bits) => {
      const ca = scene.path(`ca-${bits}`)
      execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-b', bits, '-N', '', '-f', ca])
      const host = await makeHost(`host-${bits}`, ca, '-n', 'web')
      const by = configure(`cert_authorities_path = "${ca}.pub"`)
      const { payload, answer } = await host.begin()
      const raw = Buffer.from(JSON.parse(Buffer.from(payload).toString()).Certificate, 'base64')
      const show = (certificate: Uint8Array, attested: readonly string[] = []) => {
        const Certificate = Buffer.from(certificate).toString('base64')
        const context = attestationContext({ answer, attested })
        return by.attest(Buffer.from(JSON.stringify({ Certificate })), context)
      }
      const twin = twinOfSshCertificate(SshCertificate.parse(raw)) ?? Buffer.of()
      const [first, second] = [(await show(raw)).agentId, (await show(twin)).agentId]
      expect(second).not.toBe(first)
      await expect(show(raw, [first])).resolves.toMatchObject({ agentId: first })
      const refusal = 'certificate has attested an agent already'
      await expect(show(twin, [first])).rejects.toThrow(refusal)
      await expect(show(raw, [second])).rejects.toThrow(refusal)
      // Zeros in front of a number change nothing but the bytes.
      const { signed, signature } = SshCertificate.parse(raw)
      const length = signature.blob[3] ?? 0
      const blob = Buffer.concat([Buffer.of(0, 0, 0, length + 1, 0), signature.blob.subarray(4)])
      const padded = sshString(Buffer.concat([sshString(signature.format), sshString(blob)]))
      await expect(show(Buffer.concat([signed, padded]))).rejects.toThrow(
        'certificate signature does not verify',
      )
    },
  )

  it('refuses every change of a byte of the answer', async () => {
    const fields = ['Nonce', 'Blob', 'Format'] as const
    for (const field of fields) {
      for (let at = 0; at < 32; at += 5) {
        const answer: Change = (text) => {
          const parsed = JSON.parse(text)
          const holder = field === 'Nonce' ? parsed : parsed.Signature
          const isText = field === 'Format'
          const bytes = Buffer.from(holder[field], isText ? 'latin1' : 'base64')
          const index = at % bytes.length
          bytes[index] = (bytes[index] ?? 0) ^ 1
          holder[field] = bytes.toString(isText ? 'latin1' : 'base64')
          return JSON.stringify(parsed)
        }
        await expect(attest({ answer })).rejects.toThrow(
          'failed to verify signature: ssh: signature did not verify',
        )
      }
    }
  })

  it.each([
    ['{', 'failed to unmarshal challenge response: '],
    ['{}', 'failed to combine nonces: invalid response nonce size'],
    [JSON.stringify({ Nonce: 'AAAA' }), 'failed to combine nonces: invalid response nonce size'],
    [JSON.stringify({ Nonce: Buffer.alloc(32).toString('base64') }), 'failed to verify signature'],
  ])('refuses the answer %s', async (text, message) => {
    await expect(attest({ answer: () => text })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_FAILED',
        message: expect.stringContaining(message),
      }),
    )
  })

  it.each([
    ['{', 'failed to unmarshal data: '],
    ['{}', 'no certificate in response'],
    ['{"Certificate":"AAAA"}', 'failed to parse public key: ssh: short read'],
  ])('refuses the payload %s', async (text, message) => {
    await expect(attest({ payload: () => text })).rejects.toThrow(message)
  })

  it('refuses a plain key', async () => {
    const [, key = ''] = readFileSync(`${scene.path('host')}.pub`, 'utf8').split(' ')
    const payload: Change = () => JSON.stringify({ Certificate: key })
    await expect(attest({ payload })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_FAILED',
        message: 'pubkey in response is not a certificate',
      }),
    )
  })

  it('refuses a certificate without principals, and another authority', async () => {
    const nobody = await makeHost('nobody', authority)
    await expect(attest({}, server, nobody)).rejects.toThrow('cert has no valid principals')
    const other = configure(`cert_authorities_path = "${scene.path('nobody')}.pub"`)
    await expect(attest({}, other)).rejects.toThrow(
      'failed to check host key: ssh: no authorities for hostname: web.example.org:22',
    )
  })

  it('does not begin with a key that is not the certificate’s', async () => {
    const create = (hostKeyPath: string, hostCertificatePath: string): Promise<AgentSide> =>
      AgentSide.create({ hostKeyPath, hostCertificatePath })
    const certificate = `${scene.path('host')}-cert.pub`
    await expect(create(authority, certificate)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CONFIG',
        message: expect.stringContaining('the certificate is for another key'),
      }),
    )
    await expect(create('/missing', certificate)).rejects.toThrow(
      'nodeattestor(sshpop): failed to read host key file: open /missing: no such file or directory',
    )
    await expect(create(authority, `${authority}.pub`)).rejects.toThrow('ssh: not a certificate')
  })

  it('answers no challenge of another length', async () => {
    const { answer } = await agent.begin()
    for (const Nonce of ['', 'AAAA', Buffer.alloc(33).toString('base64')]) {
      await expect(answer(Buffer.from(JSON.stringify({ Nonce })))).rejects.toThrow(
        expect.objectContaining({
          code: 'ERR_NODE_ATTESTOR_CHALLENGE',
          message: expect.stringContaining('invalid challenge nonce size'),
        }),
      )
    }
  })

  it.each([
    ['', 'missing required config value for "cert_authorities" or "cert_authorities_path"'],
    ['cert_authorities = []', 'must provide at least one cert authority'],
    ['cert_authorities = ["x"]', 'failed to create cert checker: failed to parse public key "x"'],
    [
      'cert_authorities_path = "/missing"',
      'failed to get cert authorities from file: open /missing: no such file or directory',
    ],
  ])('is not configured by %s', (text, message) => {
    expect(() => configure(text)).toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CONFIG',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('is not configured by a file without keys, or a template that is none', () => {
    const empty = scene.path('empty')
    writeFileSync(empty, '\n')
    expect(() => configure(`cert_authorities_path = "${empty}"`)).toThrow(
      `no data found in file: "${empty}"`,
    )
    const line = `cert_authorities_path = "${authority}.pub" agent_path_template = "{{"`
    expect(() => configure(line)).toThrow('failed to parse agent svid template: "{{"')
  })
})
