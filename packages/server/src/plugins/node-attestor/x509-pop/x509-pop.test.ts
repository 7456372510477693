import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { encodeName } from '@mini-spire/runtime/x509/name'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import {
  DerCursor,
  derBitString,
  derElement,
  derOid,
  derSequence,
  derTag,
  derTime,
  derUnsigned,
  parseCertificate,
  pemEncode,
} from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestationContext } from '../node-attestor.ts'
import { X509PopAttestor } from './x509-pop.ts'
import { readX509PopConfig } from './x509-pop-config.ts'

interface Holder {
  readonly der: Uint8Array
  readonly key: KeyObject
  readonly name: Buffer
}

interface Wanted {
  readonly commonName: string
  readonly issuer?: Holder
  readonly isCa?: boolean
  readonly keyUsage?: number
  readonly uris?: readonly string[]
  readonly addresses?: readonly string[]
  readonly lifeSeconds?: number
  readonly serial?: number
  readonly key?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
}

const ecdsaSha256 = derSequence(derOid('1.2.840.10045.4.3.2'))
const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

function extension(oid: string, value: Buffer): Buffer {
  return derSequence(derOid(oid), derElement(derTag.octetString, value))
}

function make(wanted: Wanted): Holder {
  const key = wanted.key ?? p256()
  const name = encodeName({ commonName: wanted.commonName })
  const nowSeconds = Math.floor(systemClock.nowMs() / 1000)
  const names = [
    ...(wanted.uris ?? []).map((uri) => derElement(0x86, Buffer.from(uri))),
    ...(wanted.addresses ?? []).map((ip) =>
      derElement(0x87, Buffer.from(ip.split('.').map(Number))),
    ),
  ]
  const usage = wanted.keyUsage ?? (wanted.isCa ? 0x06 : 0x80)
  const constraints = wanted.isCa ? [derElement(derTag.boolean, Buffer.of(0xff))] : []
  const extensions = [
    extension('2.5.29.19', derSequence(...constraints)),
    extension('2.5.29.15', derElement(derTag.bitString, Buffer.of(usage === 0x80 ? 7 : 1, usage))),
    ...(names.length > 0 ? [extension('2.5.29.17', derSequence(...names))] : []),
  ]
  const tbs = derSequence(
    derElement(0xa0, derUnsigned(Buffer.of(2))),
    derUnsigned(Buffer.of(wanted.serial ?? 1)),
    ecdsaSha256,
    wanted.issuer?.name ?? name,
    derSequence(derTime(nowSeconds - 60), derTime(nowSeconds + (wanted.lifeSeconds ?? 3600))),
    name,
    key.publicKey.export({ type: 'spki', format: 'der' }),
    derElement(0xa3, derSequence(...extensions)),
  )
  const signature = sign('sha256', tbs, wanted.issuer?.key ?? key.privateKey)
  return { der: derSequence(tbs, ecdsaSha256, derBitString(signature)), key: key.privateKey, name }
}

const trustDomain = TrustDomain.parse('example.org')
const root = make({ commonName: 'root', isCa: true })
const middle = make({ commonName: 'middle', isCa: true, issuer: root })
const leaf = make({ commonName: 'node', issuer: middle, serial: 0x0a, addresses: ['10.0.0.7'] })
const directory = mkdtempSync(join(tmpdir(), 'x509pop-'))
const rootPath = join(directory, 'root.pem')
writeFileSync(rootPath, pemEncode('CERTIFICATE', root.der))
const sha1 = (one: Holder): string => createHash('sha1').update(one.der).digest('hex')

function attestor(config = `ca_bundle_path = "${rootPath}"`): X509PopAttestor {
  const surroundings = {
    trustDomain,
    clock: systemClock,
    ownRoots: () => [parseCertificate(root.der)],
  }
  return new X509PopAttestor(readX509PopConfig(parseConfig(config), surroundings))
}

function payloadOf(...chain: readonly Holder[]): Uint8Array {
  const certificates = chain.map(({ der }) => Buffer.from(der).toString('base64'))
  return Buffer.from(JSON.stringify({ certificates }))
}

function answering(key: KeyObject, clientIp = ''): NodeAttestationContext {
  return {
    clientIp,
    untrustedHost: '',
    isAttested: () => false,
    signal: new AbortController().signal,
    challenge: (bytes) => {
      const { ecdsa_signature: asked } = JSON.parse(new TextDecoder().decode(bytes))
      const nonce = Buffer.alloc(32, 3)
      const both = Buffer.concat([Buffer.from(asked.nonce, 'base64'), nonce])
      const signature = sign('sha256', both, { key, dsaEncoding: 'ieee-p1363' })
      const [r, s] = [signature.subarray(0, 32), signature.subarray(32)]
      const own = { nonce, r, s }
      const text = Object.entries(own).map(([name, part]) => [name, part.toString('base64')])
      return Promise.resolve(
        Buffer.from(JSON.stringify({ ecdsa_signature: Object.fromEntries(text) })),
      )
    },
  }
}

async function refusal(
  payload: Uint8Array,
  context = answering(leaf.key),
  config?: string,
): Promise<[string, string]> {
  try {
    await attestor(config).attest(payload, context)
  } catch (error) {
    return [(error as { kind: string }).kind, (error as Error).message]
  }
  throw new Error('it was accepted')
}

const longRsa = generateKeyPairSync('rsa', { modulusLength: 2304 })
const longLeaf = make({ commonName: 'long', issuer: middle, key: longRsa })
const noUsage = make({ commonName: 'mute', issuer: middle, keyUsage: 0x06 })
const expired = make({ commonName: 'old', issuer: middle, lifeSeconds: -30 })
const stranger = make({ commonName: 'root', isCa: true })
const strangersLeaf = make({ commonName: 'node', issuer: stranger })
const notCa = make({ commonName: 'node-as-ca', issuer: leaf })
const bundle = `ca_bundle_path = "${rootPath}"`

describe('x509pop refuses', () => {
  it.each<[string, Uint8Array, string, string, string?]>([
    ['what is not JSON', Buffer.from('x'), 'invalid-argument', 'failed to unmarshal data: '],
    ['no certificates', payloadOf(), 'invalid-argument', 'no certificate to attest'],
    [
      'more intermediates than allowed, before it reads any',
      Buffer.from(
        JSON.stringify({ certificates: ['AA==', 'AA==', 'AA==', 'AA==', 'AA==', 'AA=='] }),
      ),
      'invalid-argument',
      'too many intermediate certificates',
    ],
    [
      'a leaf that is none',
      Buffer.from(JSON.stringify({ certificates: ['AA=='] })),
      'invalid-argument',
      'unable to parse leaf certificate: ',
    ],
    [
      'an intermediate that is none',
      Buffer.from(
        JSON.stringify({ certificates: [Buffer.from(leaf.der).toString('base64'), 'AA=='] }),
      ),
      'invalid-argument',
      'unable to parse intermediate certificate 0: ',
    ],
    [
      'a leaf with a larger key than allowed',
      payloadOf(longLeaf, middle),
      'invalid-argument',
      'leaf certificate key size too large',
      `${bundle}\nmax_rsa_key_size = 2048`,
    ],
    [
      'an intermediate with a larger key than allowed',
      payloadOf(leaf, longLeaf),
      'invalid-argument',
      'intermediate certificate 0 key size too large',
      `${bundle}\nmax_rsa_key_size = 2048`,
    ],
    [
      'a chain with a gap',
      payloadOf(leaf),
      'permission-denied',
      'certificate verification failed: ',
    ],
    [
      'a stranger',
      payloadOf(strangersLeaf, stranger),
      'permission-denied',
      'certificate verification failed: ',
    ],
    [
      'an expired leaf',
      payloadOf(expired, middle),
      'permission-denied',
      'certificate verification failed: ',
    ],
    [
      'a leaf that plays CA',
      payloadOf(notCa, leaf, middle),
      'permission-denied',
      'certificate verification failed: ',
    ],
    [
      'a key that may not sign',
      payloadOf(noUsage, middle),
      'internal',
      'unable to generate challenge: certificate not intended for digital signature use',
    ],
  ])('%s', async (_title, payload, kind, message, config) => {
    const [foundKind, foundMessage] = await refusal(payload, undefined, config)
    expect([foundKind, foundMessage]).toEqual([kind, expect.stringContaining(message)])
  })

  it('whoever does not hold the key', async () => {
    expect(await refusal(payloadOf(leaf, middle), answering(p256().privateKey))).toEqual([
      'permission-denied',
      'challenge response verification failed: ECDSA signature verify failed',
    ])
  })

  it('an answer that is not JSON', async () => {
    const context = { ...answering(leaf.key), challenge: async () => new Uint8Array() }
    expect(await refusal(payloadOf(leaf, middle), context)).toEqual([
      'invalid-argument',
      expect.stringContaining('unable to unmarshal challenge response: '),
    ])
  })

  it.each([
    ['', 'internal', 'client IP not available for verification'],
    ['nonsense', 'internal', 'invalid client IP "nonsense"'],
    ['10.0.0.8', 'permission-denied', 'client IP 10.0.0.8 does not match any certificate IP SAN'],
  ])('the client address %j when it is verified', async (clientIp, kind, message) => {
    const config = `${bundle}\nverify_client_ip = true`
    const found = await refusal(payloadOf(leaf, middle), answering(leaf.key, clientIp), config)
    expect(found).toEqual([kind, message])
  })
})

nodeAttestorContract({ describe, it, expect }, 'x509pop', () => ({
  attestor: attestor(),
  payload: payloadOf(leaf, middle),
  answer: answering(leaf.key).challenge,
}))

describe('x509pop accepts', () => {
  it('a chain to its roots, and names the node by its certificate', async () => {
    expect(await attestor().attest(payloadOf(leaf, middle), answering(leaf.key))).toEqual({
      agentId: `spiffe://example.org/spire/agent/x509pop/${sha1(leaf)}`,
      selectorValues: [
        'subject:cn:node',
        `ca:fingerprint:${sha1(middle)}`,
        `ca:fingerprint:${sha1(root)}`,
        'serialnumber:0a',
      ],
      canReattest: true,
    })
  })

  it('a matching client address', async () => {
    const config = `${bundle}\nverify_client_ip = true`
    const context = answering(leaf.key, '10.0.0.7')
    await expect(attestor(config).attest(payloadOf(leaf, middle), context)).resolves.toBeDefined()
  })

  it('several paths to its roots, and names the issuers of all of them', async () => {
    const other = make({ commonName: 'other root', isCa: true })
    const shared = p256()
    const one = make({ commonName: 'shared', isCa: true, issuer: root, key: shared })
    const two = make({ commonName: 'shared', isCa: true, issuer: other, key: shared })
    const path = join(directory, 'both.pem')
    writeFileSync(path, pemEncode('CERTIFICATE', root.der) + pemEncode('CERTIFICATE', other.der))
    const below = make({ commonName: 'node', issuer: one })
    const found = await attestor(`ca_bundle_paths = ["${path}"]`).attest(
      payloadOf(below, one, two),
      answering(below.key),
    )
    expect(found.selectorValues).toEqual(
      expect.arrayContaining([one, two, root, other].map((ca) => `ca:fingerprint:${sha1(ca)}`)),
    )
  })

  it.each([
    ['that signed itself', make({ commonName: 'pinned' })],
    ['that is an authority too', make({ commonName: 'pinned', isCa: true, keyUsage: 0x86 })],
    ['whose issuer is trusted as well', make({ commonName: 'pinned', issuer: root })],
    [
      'whose issuer nobody knows',
      make({ commonName: 'pinned', issuer: make({ commonName: 'x' }) }),
    ],
  ])('a leaf that is trusted itself, and names no issuer: one %s', async (_, pinned) => {
    const path = join(directory, 'pinned.pem')
    writeFileSync(path, pemEncode('CERTIFICATE', root.der) + pemEncode('CERTIFICATE', pinned.der))
    const config = `ca_bundle_path = "${path}"`
    const found = await attestor(config).attest(payloadOf(pinned), answering(pinned.key))
    expect(found.selectorValues).toEqual(['subject:cn:pinned', 'serialnumber:01'])
    // Another certificate with the same names, and a key of its own.
    const double = make({ commonName: 'pinned', isCa: true, keyUsage: 0x86 })
    await expect(attestor(config).attest(payloadOf(double), answering(double.key))).rejects.toThrow(
      'certificate verification failed',
    )
    await expect(
      attestor(config).attest(payloadOf(pinned), answering(p256().privateKey)),
    ).rejects.toThrow('challenge response verification failed')
  })

  it('no leaf that is trusted itself once it has expired', async () => {
    const expired = make({ commonName: 'pinned', lifeSeconds: -1 })
    const path = join(directory, 'expired.pem')
    writeFileSync(path, pemEncode('CERTIFICATE', expired.der))
    await expect(
      attestor(`ca_bundle_path = "${path}"`).attest(payloadOf(expired), answering(expired.key)),
    ).rejects.toThrow('certificate has expired or is not yet valid')
  })

  it('a path template over what is in the certificate, by the names that Go has for it', async () => {
    const path = '{{ .Certificate.Subject.CommonName }}/{{ .SerialNumber }}/{{ .Certificate.IsCA }}'
    const config = `${bundle}\nagent_path_template = "/${path}"`
    const { agentId } = await attestor(config).attest(payloadOf(leaf, middle), answering(leaf.key))
    expect(agentId).toBe('spiffe://example.org/spire/agent/node/10/false')
  })

  it('selectors of its own URI SANs, and a path template over them', async () => {
    const uris = ['X509POP://example.org/cluster/west/1', 'x509pop://other.org/cluster/evil']
    const named = make({ commonName: 'node', issuer: middle, uris })
    const config = `${bundle}\nagent_path_template = "/{{ .PluginName }}/{{ .URISanSelectors.cluster }}"`
    const found = await attestor(config).attest(payloadOf(named, middle), answering(named.key))
    expect(found.agentId).toBe('spiffe://example.org/spire/agent/x509pop/west/1')
    expect(found.selectorValues.filter((value) => value.startsWith('san:'))).toEqual([
      'san:cluster:west/1',
    ])
  })
})

/** The same certificate with the other of the two signatures that are valid. */
function twinOf({ der, ...holder }: Holder): Holder {
  const { signature, tbs } = parseCertificate(der)
  const pair = DerCursor.over(signature.signature).enter(derTag.sequence)
  const [r, s] = [0, 1].map(() => Buffer.from(pair.content(pair.take(derTag.integer))))
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const other = (n - BigInt(`0x${s?.toString('hex')}`)).toString(16).padStart(64, '0')
  const both = derSequence(derUnsigned(r ?? Buffer.of()), derUnsigned(Buffer.from(other, 'hex')))
  return { ...holder, der: derSequence(tbs, ecdsaSha256, derBitString(both)) }
}

describe('x509pop and a certificate whose signature is written otherwise', () => {
  const twin = twinOf(leaf)
  const idOf = (one: Holder): string => `spiffe://example.org/spire/agent/x509pop/${sha1(one)}`
  const attest = (one: Holder, attested: readonly Holder[], config?: string) => {
    const context = answering(one.key)
    const isAttested = (id: string): boolean => attested.map(idOf).includes(id)
    return attestor(config).attest(payloadOf(one, middle), { ...context, isAttested })
  }

  it('knows it as the same: it makes no second agent, banned or not', async () => {
    expect(twinOf(twin).der).toEqual(leaf.der)
    expect((await attest(twin, [])).agentId).toBe(idOf(twin))
    for (const [first, second] of [
      [leaf, twin],
      [twin, leaf],
    ] as const) {
      await expect(attest(second, [first])).rejects.toMatchObject({
        code: 'ERR_NODE_EVIDENCE_REFUSED',
        message: 'certificate has attested an agent already, with the other form of its signature',
      })
      expect((await attest(first, [first])).agentId).toBe(idOf(first))
    }
  })

  it('attests it where agents are not named by all of its bytes', async () => {
    const config = `${bundle}\nagent_path_template = "/{{ .PluginName }}/{{ .SerialNumberHex }}"`
    const { agentId } = await attest(leaf, [], config)
    expect((await attest(twin, [leaf], config)).agentId).toBe(agentId)
  })
})

describe('x509pop in mode spiffe', () => {
  const config = 'mode = "spiffe"'
  const withUri = (uri: string): Holder => make({ commonName: 'node', issuer: middle, uris: [uri] })

  it('names the agent by what follows the prefix', async () => {
    const svid = withUri('spiffe://example.org/spire-exchange/host/a')
    const found = await attestor(config).attest(payloadOf(svid, middle), answering(svid.key))
    expect(found.agentId).toBe('spiffe://example.org/spire/agent/x509pop/host/a')
  })

  it.each([
    ['https://example.org/', 'valid SVID x509 cert not found'],
    ['spiffe://example.org/elsewhere', 'x509 cert doesnt match SVID prefix'],
  ])('refuses %s', async (uri, message) => {
    const svid = withUri(uri)
    const found = await refusal(payloadOf(svid, middle), answering(svid.key), config)
    expect(found).toEqual(['permission-denied', message])
  })

  it('refuses a path that would climb', async () => {
    const svid = withUri('spiffe://example.org/spire-exchange/../server')
    const [kind, message] = await refusal(payloadOf(svid, middle), answering(svid.key), config)
    expect([kind, message]).toEqual([
      'internal',
      expect.stringContaining('failed to make spiffe id: '),
    ])
  })
})

describe('the configuration of x509pop is refused', () => {
  it.each([
    ['', 'one of ca_bundle_path or ca_bundle_paths must be configured'],
    ['mode = "other"', 'mode can only be either spiffe or external_pki'],
    [
      'ca_bundle_path = "a"\nca_bundle_paths = ["b"]',
      'only one of ca_bundle_path or ca_bundle_paths can be configured, not both',
    ],
    [
      'mode = "spiffe"\nca_bundle_path = "a"',
      'you can not use ca_bundle_path or ca_bundle_paths in spiffe mode',
    ],
    [
      'ca_bundle_path = "/nowhere.pem"',
      'unable to load trust bundle "/nowhere.pem": open /nowhere.pem: no such file or directory',
    ],
    [`${bundle}\nmax_intermediates = 0`, 'max_intermediates must be greater than 0'],
    [`${bundle}\nmax_rsa_key_size = -1`, 'max_rsa_key_size must be greater than 0'],
    [
      `${bundle}\nagent_path_template = "/{{ env }}"`,
      'failed to parse agent svid template: "/{{ env }}"',
    ],
  ])('%s', (config, message) => {
    expect(() => attestor(config)).toThrow(
      expect.objectContaining({ code: 'ERR_NODE_ATTESTOR_CONFIG', message }),
    )
  })
})
