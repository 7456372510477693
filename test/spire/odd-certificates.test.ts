import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { answerChallenge } from '@mini-spire/agent/plugins/node-attestor/x509-pop/answer'
import { systemClock } from '@mini-spire/runtime/clock'
import { makeTestCertificate, type TestCertificateOptions, testName } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import { makeCsrKit } from '../bench/agents.ts'
import { WireClient } from '../bench/grpc-wire.ts'
import { attestOver } from '../kit/attest-over.ts'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, type Program, Scene } from '../kit/processes.ts'
import {
  type MadePath,
  makePath,
  makePathRoot,
  type PathRoot,
  pathCases,
} from '../vectors/x509-paths/paths.ts'
import { isSpireMissing, spire } from './programs.ts'

/** Whether evidence is taken, and what for. */
type Attest = (path: MadePath) => Promise<unknown>

const now = systemClock.now()
const root = makePathRoot(now)

/** Leaves that are trusted themselves. */
const pinned: readonly (readonly [string, PathRoot, Partial<TestCertificateOptions>])[] = [
  ['that signed itself', signedByItself(), {}],
  ['that is an authority, too', signedByItself(), { isCa: true }],
  ['below another root', root, {}],
  ['that nobody knows who signed', makePathRoot(now), {}],
]

function signedByItself(): PathRoot {
  const { privateKey: key } = newKeys()
  return { certificate: Buffer.alloc(0), name: testName('itself'), key }
}

function newKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function makePinned({ name, key: signer, certificate }: PathRoot, more: object): MadePath {
  const key = certificate.length === 0 ? signer : newKeys().privateKey
  const leaf = makeTestCertificate(
    { name, privateKey: signer },
    {
      notBefore: new Date(now.getTime() - 60_000),
      notAfter: new Date(now.getTime() + 3_600_000),
      publicKey: key,
      commonName: 'itself',
      isCa: false,
      keyUsage: ['digitalSignature'],
      ...more,
    },
  )
  return { chain: [leaf], key }
}

/** Starts a server that trusts these certificates. */
async function serve(
  scene: Scene,
  trusted: readonly Uint8Array[],
  { name, program }: { readonly name: string; readonly program: Program },
): Promise<Attest> {
  const bundle = scene.path(`${name}.roots.pem`)
  writeFileSync(bundle, trusted.map((one) => pemEncode('CERTIFICATE', one)).join(''))
  const server = await ServerDeployment.start(scene, {
    name,
    program,
    morePlugins: `NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${bundle}" } }`,
    settings: 'ratelimit { attestation = false }',
  })
  const { csr } = makeCsrKit(scene.makeFolder(`${name}-csr`), server.trustDomain)
  const client = await WireClient.tls(server.port)
  scene.defer(async () => client.close())
  return async ({ chain, key }) => {
    const certificates = chain.map((one) => Buffer.from(one).toString('base64'))
    const payload = Buffer.from(JSON.stringify({ certificates }))
    const answer = async (challenge: Uint8Array) => answerChallenge(key, challenge)
    const result = await attestOver(client, { type: 'x509pop', payload, csr, answer }).catch(
      (error: Error) => error,
    )
    if (result instanceof Error)
      return result.message.replace(/(verification failed|parse [a-z 0-9]*):.*/, '$1')
    const { trustDomain, path } = result.svid?.id ?? {}
    const id = `spiffe://${trustDomain}${path}`
    const { selectors } = JSON.parse(
      server.must('agent', 'show', '-spiffeID', id, '-output', 'json'),
    )
    return selectors.map(({ value }: { value: string }) => value).sort()
  }
}

describe.skipIf(isSpireMissing())('x509pop', () => {
  it('takes and refuses certificates with unusual extensions as SPIRE does', async () => {
    await using scene = new Scene()
    const leaves = pinned.map(([title, issuer, more]) => [title, makePinned(issuer, more)] as const)
    const trusted = [root.certificate, ...leaves.flatMap(([, { chain }]) => chain)]
    const [mine, theirs] = await Promise.all([
      serve(scene, trusted, { name: 'ours', program: ours.server }),
      serve(scene, trusted, { name: 'spire', program: spire?.server ?? ours.server }),
    ])
    const differences: unknown[] = []
    const compare = async (title: string, path: MadePath, isSame = true): Promise<void> => {
      const [given, wanted] = [await mine(path), await theirs(path)]
      const areSame = JSON.stringify(given) === JSON.stringify(wanted)
      if (areSame !== isSame) differences.push({ title, given, wanted })
    }
    for (const [title, path] of leaves) await compare(title, path)
    for (const one of pathCases)
      await compare(one.title, makePath(one, root, now), one.holdsInGo === undefined)
    expect(differences).toEqual([])
    // The root's own fingerprint, so that an empty comparison would be noticed.
    const fingerprint = createHash('sha1').update(root.certificate).digest('hex')
    const usual = pathCases.find(({ title }) => title === 'of nothing unusual')
    if (!usual) throw new Error('the usual path is missing')
    expect(await mine(makePath(usual, root, now))).toContain(`ca:fingerprint:${fingerprint}`)
  })
})
