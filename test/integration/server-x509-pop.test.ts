import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { twinOfCertificate } from '@mini-spire/server/plugins/node-attestor/certificate-twin'
import { describe, expect, it } from 'vitest'
import { attest, newCsr, ServerScene } from './server-scene.ts'

const ca = TestCa.create('nodes.example')

/** A server that trusts the CA's nodes. */
async function start(): Promise<{ readonly scene: ServerScene; readonly remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'mini-spire-pop-'))
  const path = join(folder, 'ca.pem')
  writeFileSync(path, pemEncode('CERTIFICATE', ca.certificate.raw))
  const plugins = `NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${path}" } }`
  const scene = await ServerScene.start({ plugins })
  return { scene, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** A node's evidence, and the same with the signature of its certificate written otherwise. */
function node(): {
  readonly payload: Uint8Array
  readonly twin: Uint8Array
  readonly key: KeyObject
} {
  const { chain, privateKey: key } = ca.issueX509Svid('spiffe://nodes.example/node')
  const payloadOf = (leaf: Uint8Array): Uint8Array => {
    const certificates = [leaf, ...chain.slice(1).map(({ raw }) => raw)]
    const texts = certificates.map((der) => Buffer.from(der).toString('base64'))
    return Buffer.from(JSON.stringify({ certificates: texts }))
  }
  const [leaf] = chain
  const twin = leaf && twinOfCertificate(leaf, ca.certificate)
  if (!leaf || !twin) throw new Error('the test authority signs by ECDSA')
  return { payload: payloadOf(leaf.raw), twin: payloadOf(twin), key }
}

const answerWith =
  (key: KeyObject) =>
  (challenge: Uint8Array): Uint8Array => {
    const asked = JSON.parse(Buffer.from(challenge).toString()).ecdsa_signature
    const nonce = Buffer.alloc(32, 9)
    const both = Buffer.concat([Buffer.from(asked.nonce, 'base64'), nonce])
    const signature = sign('sha256', both, { key, dsaEncoding: 'ieee-p1363' })
    const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((half) =>
      half.toString('base64'),
    )
    const own = { nonce: nonce.toString('base64'), r, s }
    return Buffer.from(JSON.stringify({ ecdsa_signature: own }))
  }

describe('x509pop over the network', () => {
  it('attests a node, again and again, and never lets its agent renew', async () => {
    const { scene, remove } = await start()
    await using _ = scene
    const { payload, key } = node()
    const first = await attest(scene.remote(), 'x509pop', payload, answerWith(key))
    expect(first.id).toMatch(/^spiffe:\/\/example\.org\/spire\/agent\/x509pop\/[0-9a-f]{40}$/)
    const second = await attest(scene.remote(first), 'x509pop', payload, answerWith(key))
    expect(second.id).toBe(first.id)
    const { csr } = await newCsr()
    await expect(scene.remote(second).agents.renewAgent({ params: { csr } })).rejects.toMatchObject(
      { statusCode: 7, statusMessage: 'agent must reattest instead of renew' },
    )
    const list = { filter: undefined, outputMask: undefined, pageSize: 0, pageToken: '' }
    const { agents } = await scene.local().agents.listAgents(list)
    expect(agents).toHaveLength(1)
    expect(agents[0]).toMatchObject({ attestationType: 'x509pop', canReattest: true })
    expect(agents[0]?.selectors.every(({ type }) => type === 'x509pop')).toBe(true)
    remove()
  })

  it('keeps a banned node out, however the signature of its certificate is written', async () => {
    const { scene, remove } = await start()
    await using _ = scene
    const { payload, key, twin } = node()
    const { id } = await attest(scene.remote(), 'x509pop', payload, answerWith(key))
    const { trustDomain, path } = SpiffeId.parse(id)
    await scene.local().agents.banAgent({ id: { trustDomain: trustDomain.name, path } })
    const banned = attest(scene.remote(), 'x509pop', payload, answerWith(key))
    await expect(banned).rejects.toMatchObject({ statusCode: 7 })
    const again = attest(scene.remote(), 'x509pop', twin, answerWith(key))
    await expect(again).rejects.toMatchObject({
      statusCode: 7,
      statusMessage:
        'nodeattestor(x509pop): certificate has attested an agent already, with the other form of its signature',
    })
    expect((await scene.local().agents.countAgents({ filter: undefined })).count).toBe(1)
    remove()
  })

  it('refuses who does not hold the key, and leaves nothing behind', async () => {
    const { scene, remove } = await start()
    await using _ = scene
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const attempt = attest(scene.remote(), 'x509pop', node().payload, answerWith(privateKey))
    await expect(attempt).rejects.toMatchObject({
      statusCode: 7,
      statusMessage:
        'nodeattestor(x509pop): challenge response verification failed: ECDSA signature verify failed',
    })
    expect((await scene.local().agents.countAgents({ filter: undefined })).count).toBe(0)
    remove()
  })

  it('says so when the agent leaves without an answer', async () => {
    const { scene, remove } = await start()
    await using _ = scene
    const { csr } = await newCsr()
    const params = { data: { type: 'x509pop', payload: node().payload }, params: { csr } }
    const requests = (async function* () {
      yield { step: { $case: 'params' as const, params } }
    })()
    const read = async (): Promise<void> => {
      for await (const _message of scene.remote().agents.attestAgent(requests));
    }
    await expect(read()).rejects.toMatchObject({
      statusCode: 13,
      statusMessage: 'failed to receive challenge from agent: EOF',
    })
    remove()
  })
})
