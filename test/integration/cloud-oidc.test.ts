import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WebIdentityCredentials } from '@mini-spire/sdk/aws'
import { JwtSource } from '@mini-spire/sdk/workload-api'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { FakeSts } from '../kit/fake-sts.ts'
import { freePort } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { ServedWorkload } from '../kit/served-workload.ts'

const roleArn = 'arn:aws:iam::123456789012:role/web'

/** Every part is ours but the cloud: server, agent, SDK, and the OIDC provider that the cloud asks for keys. */
describe('credentials of a cloud that asks our OIDC provider for keys', () => {
  let issuer: string
  let served: ServedWorkload
  let svids: JwtSource
  beforeAll(async () => {
    const port = await freePort()
    issuer = `http://127.0.0.1:${port}`
    served = await ServedWorkload.start({ server: `jwt_issuer = "${issuer}"` })
    const config = served.scene.path('oidc.conf')
    writeFileSync(
      config,
      `domains = ["127.0.0.1"]
insecure_addr = "127.0.0.1:${port}"
allow_insecure_scheme = true
jwt_issuer = "${issuer}"
server_api { address = "unix://${served.server.socket}" poll_interval = "1s" }
`,
    )
    const bin = join(root, 'packages/server/bin/mini-oidc-discovery-provider.js')
    const program = { command: process.execPath, args: [bin] }
    await served.scene.start(program, ['-config', config]).waitFor('Serving HTTP')
    await vi.waitFor(async () => expect((await fetch(`${issuer}/keys`)).status).toBe(200), 30_000)
    svids = await JwtSource.create({ address: served.agent.address })
  })
  afterAll(async () => {
    svids?.close()
    await served?.[Symbol.asyncDispose]()
  })

  it.each([
    { path: '/workload', outcome: 'granted' },
    { path: '/workload2', outcome: 'AWS STS answers 400 (AccessDenied)' },
  ])('are given to $path: $outcome', async ({ path, outcome }) => {
    const subject = `spiffe://${served.server.trustDomain}${path}`
    const policy = { issuer, audience: 'sts.amazonaws.com', subject }
    await using sts = await FakeSts.start({ roleArn, policy })
    const { endpoint } = sts
    using aws = new WebIdentityCredentials({ svids, roleArn, region: 'eu-central-1', endpoint })
    const got = await aws.provider().then(
      () => 'granted',
      ({ message }: Error) => message,
    )
    expect(got).toBe(outcome)
  })
})
