import { writeFileSync } from 'node:fs'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { RolesAnywhereCredentials, WebIdentityCredentials } from '@mini-spire/sdk/aws'
import { JwtSource, X509Source } from '@mini-spire/sdk/workload-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DiscoveryServer } from '../kit/discovery-server.ts'
import { FakeRolesAnywhere } from '../kit/fake-roles-anywhere.ts'
import { FakeSts } from '../kit/fake-sts.ts'
import { awsHelperPeer, isGoMissing, isPythonMissing, pythonPeer } from '../kit/peers.ts'
import { finishProgram, freePort } from '../kit/processes.ts'
import { ServedWorkload } from '../kit/served-workload.ts'

const region = 'eu-central-1'
const roleArn = 'arn:aws:iam::123456789012:role/web'

describe.skipIf(isPythonMissing())("AWS, as moto plays it, and AWS's own client", () => {
  let served: ServedWorkload
  let discovery: DiscoveryServer
  let svids: JwtSource
  let moto: string
  beforeAll(async () => {
    discovery = await DiscoveryServer.start(() => {
      const bundle = svids.findJwtBundle(served.trustDomain)
      if (!bundle) throw new Error('no keys')
      return bundle
    })
    served = await ServedWorkload.start({ server: `jwt_issuer = "${discovery.issuer}"` })
    svids = await JwtSource.create({ address: served.agent.address })
    const port = await freePort()
    const args = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)]
    const python = { command: await pythonPeer(), args: [] }
    await served.scene.start(python, args).waitFor('Running on', { timeoutMs: 60_000 })
    moto = `http://127.0.0.1:${port}/`
  })
  afterAll(async () => {
    svids?.close()
    await served?.[Symbol.asyncDispose]()
    await discovery?.[Symbol.asyncDispose]()
  })

  /** STS in front of moto, which takes any token: the front fetches our keys and checks what the role pins. */
  const sts = (subject: string): Promise<FakeSts> => {
    const policy = { issuer: discovery.issuer, audience: 'sts.amazonaws.com', subject }
    return FakeSts.start({ roleArn, policy, behind: moto })
  }

  it('know a workload with a JWT-SVID as a session of its role', async () => {
    await using front = await sts(served.id)
    using aws = new WebIdentityCredentials({ svids, roleArn, region, endpoint: front.endpoint })
    const client = new STSClient({ region, endpoint: moto, credentials: aws.provider })
    const { Arn } = await client.send(new GetCallerIdentityCommand())
    expect(Arn).toBe('arn:aws:sts::123456789012:assumed-role/web/workload')
    await client.send(new GetCallerIdentityCommand())
    expect(front.seen).toHaveLength(1)
    expect(discovery.keyFetches).toBe(1)
    client.destroy()
  })

  it('do not know one whose subject the role does not pin', async () => {
    await using front = await sts(`${served.id}2`)
    using aws = new WebIdentityCredentials({ svids, roleArn, region, endpoint: front.endpoint })
    const client = new STSClient({ region, endpoint: moto, credentials: aws.provider })
    await expect(client.send(new GetCallerIdentityCommand())).rejects.toMatchObject({
      code: 'ERR_EXCHANGE_REFUSED',
    })
    client.destroy()
  })
})

describe.skipIf(isGoMissing())('IAM Roles Anywhere, as we play it', () => {
  const arns = {
    trustAnchorArn: `arn:aws:rolesanywhere:${region}:123456789012:trust-anchor/0a-1`,
    profileArn: `arn:aws:rolesanywhere:${region}:123456789012:profile/0b-2`,
    roleArn,
  }
  let helper: string
  let served: ServedWorkload
  let svids: X509Source
  let anywhere: FakeRolesAnywhere
  beforeAll(async () => {
    helper = await awsHelperPeer()
    served = await ServedWorkload.start()
    svids = await X509Source.create({ address: served.agent.address })
    const [root] = svids.findX509Bundle(served.trustDomain)?.authorities ?? []
    const trustAnchor = root?.raw ?? new Uint8Array()
    anywhere = await FakeRolesAnywhere.start({ trustAnchor, region, subject: served.id, ...arns })
  })
  afterAll(async () => {
    svids?.close()
    await anywhere?.[Symbol.asyncDispose]()
    await served?.[Symbol.asyncDispose]()
  })

  it("lets in AWS's own helper with an SVID of the agent, and us with the same", async () => {
    const svid = svids.getX509Svid()
    const files = { certificate: served.scene.path('svid.pem'), key: served.scene.path('svid.key') }
    writeFileSync(files.certificate, svid.marshalChainPem())
    writeFileSync(files.key, svid.marshalKeyPem(), { mode: 0o600 })
    const { trustAnchorArn, profileArn } = arns
    const named = ['--trust-anchor-arn', trustAnchorArn, '--profile-arn', profileArn]
    const own = ['--certificate', files.certificate, '--private-key', files.key]
    const where = ['--role-arn', roleArn, '--region', region, '--endpoint', anywhere.endpoint]
    const args = ['credential-process', ...named, ...own, ...where]
    const theirs = await finishProgram({ command: helper, args: [] }, args)
    expect(theirs.stderr).toBe('')
    using aws = new RolesAnywhereCredentials({
      svids,
      region,
      endpoint: anywhere.endpoint,
      ...arns,
    })
    const ours = await aws.provider()
    expect(anywhere.verdicts).toEqual([undefined, undefined])
    expect(JSON.parse(theirs.stdout)).toMatchObject({ Version: 1, AccessKeyId: ours.accessKeyId })
  })
})
