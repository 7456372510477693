import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fromProcess } from '@aws-sdk/credential-provider-process'
import { fromTokenFile } from '@aws-sdk/credential-provider-web-identity'
import { WorkloadIdentityCredential } from '@azure/identity'
import { WebIdentityCredentials } from '@mini-spire/sdk/aws'
import { JwtSource } from '@mini-spire/sdk/workload-api'
import { PluggableAuthClient } from 'google-auth-library'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DiscoveryServer } from '../kit/discovery-server.ts'
import { FakeEntra } from '../kit/fake-entra.ts'
import { FakeSts } from '../kit/fake-sts.ts'
import { FakeTokenEndpoint } from '../kit/fake-token-endpoint.ts'
import { finishProgram, type Program } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { ServedWorkload } from '../kit/served-workload.ts'

const roleArn = 'arn:aws:iam::123456789012:role/web'
const provider =
  '//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/spiffe/providers/example-org'
const stub = join(root, 'packages/sdk/bin/mini-spire-credentials.js')
const program: Program = { command: process.execPath, args: [stub] }

describe('SVIDs of a real server and agent, exchanged', () => {
  let discovery: DiscoveryServer
  let served: ServedWorkload
  let svids: JwtSource
  const closing: AsyncDisposable[] = []
  beforeAll(async () => {
    discovery = await DiscoveryServer.start(() => {
      const bundle = svids.findJwtBundle(served.trustDomain)
      if (!bundle) throw new Error('no keys')
      return bundle
    })
    const server = `jwt_issuer = "${discovery.issuer}"`
    served = await ServedWorkload.start({ server })
    svids = await JwtSource.create({ address: served.agent.address })
  })
  afterAll(async () => {
    svids?.close()
    for (const one of closing) await one[Symbol.asyncDispose]()
    await served?.[Symbol.asyncDispose]()
    await discovery?.[Symbol.asyncDispose]()
  })

  const policy = (audience: string) => ({
    issuer: discovery.issuer,
    audience,
    subject: served.id,
  })
  const sts = async (): Promise<FakeSts> => {
    const made = await FakeSts.start({ roleArn, policy: policy('sts.amazonaws.com') })
    closing.push(made)
    return made
  }
  const credentials = (...args: readonly string[]) =>
    finishProgram(program, [...args, '--socket', served.agent.address])
  /** A program for others to call, who give it no arguments of ours. */
  const script = (name: string, ...args: readonly string[]): string => {
    const path = served.scene.path(name)
    const words = [process.execPath, stub, ...args, '--socket', served.agent.address]
    writeFileSync(path, `#!/bin/sh\nexec ${words.map((word) => `'${word}'`).join(' ')}\n`)
    chmodSync(path, 0o755)
    return path
  }
  const tokenFile = async (audience: string, name: string) => {
    const path = served.scene.path(name)
    const args = ['token-file', '--audience', audience, '--path', path]
    const daemon = served.scene.start(program, [...args, '--socket', served.agent.address])
    await expect.poll(() => tokenIn(path)).not.toBe('')
    return { path, daemon }
  }

  it('are credentials of AWS', async () => {
    const { endpoint } = await sts()
    using aws = new WebIdentityCredentials({ svids, roleArn, region: 'eu-central-1', endpoint })
    expect(await aws.provider()).toHaveProperty('accessKeyId', 'ASIAEXAMPLE')
  })

  it('are credentials of AWS, by a credential_process of its SDK', async () => {
    const { endpoint, seen } = await sts()
    const args = ['--role-arn', roleArn, '--region', 'eu-central-1', '--endpoint', endpoint]
    const path = script('aws-process', 'aws-web-identity', ...args)
    const configFilepath = served.scene.path('aws-config')
    writeFileSync(configFilepath, `[profile web]\ncredential_process = ${path}\n`)
    const filepath = served.scene.path('no-such-file')
    const provider = fromProcess({ profile: 'web', configFilepath, filepath })
    expect(await provider()).toMatchObject({
      accessKeyId: 'ASIAEXAMPLE',
      secretAccessKey: 'secret/key+1',
      sessionToken: 'session/token+with=signs',
      expiration: new Date(4e12),
    })
    expect(seen[0]?.get('RoleSessionName')).toBe('workload')
  })

  it("are credentials of AWS, by the SDK's own exchange of a token file", async () => {
    const { endpoint } = await sts()
    const { path: webIdentityTokenFile } = await tokenFile('sts.amazonaws.com', 'aws-token')
    const clientConfig = { region: 'eu-central-1', endpoint }
    const options = { webIdentityTokenFile, roleArn, roleSessionName: 'web', clientConfig }
    expect(await fromTokenFile(options)()).toHaveProperty('accessKeyId', 'ASIAEXAMPLE')
  })

  it("are access tokens of Google, by an executable of google-auth-library's", async () => {
    const google = await FakeTokenEndpoint.start()
    closing.push(google)
    google.policy = policy(`https:${provider}`)
    process.env['GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'] = '1'
    const client = new PluggableAuthClient({
      type: 'external_account',
      audience: provider,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: google.url,
      credential_source: {
        executable: { command: script('google', 'google', '--provider', provider) },
      },
    })
    expect((await client.getAccessToken()).token).toBe('exchanged-token')
  })

  it("are access tokens of Azure, by a federated token file of @azure/identity's", async () => {
    const tenantId = '11111111-2222-3333-4444-555555555555'
    const clientId = '66666666-7777-8888-9999-000000000000'
    const audience = 'api://AzureADTokenExchange'
    const entra = await FakeEntra.start({ tenantId, clientId, policy: policy(audience) })
    closing.push(entra)
    const credential = new WorkloadIdentityCredential({
      tenantId,
      clientId,
      tokenFilePath: (await tokenFile(audience, 'azure-token')).path,
      authorityHost: entra.authority,
      disableInstanceDiscovery: true,
      tlsOptions: { ca: entra.tlsRoot },
    })
    const { token } = await credential.getToken('https://storage.azure.com/.default')
    expect(token).toBe('azure-token')
  })

  it('are kept in a file until the program is told to stop, and it says nothing', async () => {
    const { path, daemon } = await tokenFile('anybody', 'token')
    expect(await daemon.stop()).toBe(0)
    expect(daemon.output).toBe('')
    expect(tokenIn(path)).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/)
  })

  it('are not waited for any longer when the program is told to stop', async () => {
    const address = served.scene.path('silent.sock')
    const silent = createServer((socket) => socket.on('error', () => {}))
    closing.push({ [Symbol.asyncDispose]: async () => void silent.close() })
    const asked = once(silent, 'connection')
    silent.listen(address)
    const args = ['token-file', '--audience', 'a', '--path', served.scene.path('never')]
    const daemon = served.scene.start(program, [...args, '--socket', `unix://${address}`])
    await asked
    expect(await daemon.stop()).toBe(0)
    expect(daemon.output).toBe('')
  })

  it('are what a kubeconfig asks for, as a token and as a certificate', async () => {
    const token = JSON.parse((await credentials('kubernetes-token', '--audience', 'k8s')).stdout)
    const [, claims = ''] = token.status.token.split('.')
    const { iss, aud, sub } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    expect({ iss, aud, sub }).toEqual({ iss: discovery.issuer, aud: ['k8s'], sub: served.id })
    const certificate = JSON.parse((await credentials('kubernetes-certificate')).stdout)
    expect(certificate.status.clientKeyData).toContain('PRIVATE KEY')
  })

  it('of an identity that this program does not have are refused', async () => {
    const done = await credentials('kubernetes-certificate', '--spiffe-id', `${served.id}2`)
    expect(done).toEqual({
      status: 1,
      stdout: '',
      stderr: 'mini-spire-credentials: the agent has no such identity for this program\n',
    })
  })

  it('are not given when the cloud refuses, and the token is in no output', async () => {
    const { endpoint, seen } = await sts()
    const args = ['--role-arn', `${roleArn}2`, '--region', 'eu-central-1', '--endpoint', endpoint]
    const done = await credentials('aws-web-identity', ...args)
    expect(done).toEqual({
      status: 1,
      stdout: '',
      stderr: 'mini-spire-credentials: AWS STS answers 400 (AccessDenied)\n',
    })
    expect(seen[0]?.get('WebIdentityToken')).toMatch(/^eyJ/)
  })
})

describe('the program that exchanges SVIDs', () => {
  it.each([
    { args: [], says: /^Usage: / },
    { args: ['nothing'], says: /^Usage: / },
    { args: ['token-file'], says: /--audience is needed/ },
    { args: ['token-file', '--nothing', 'x'], says: /there is no flag --nothing\n/ },
    { args: ['token-file', '--path'], says: /a flag has no value/ },
    { args: ['token-file', 'secret'], says: /only flags are expected\n/ },
  ])('refuses $args with what is wrong', async ({ args, says }) => {
    const done = await finishProgram(program, args)
    expect(done).toMatchObject({ status: 2, stdout: '' })
    expect(done.stderr).toMatch(says)
    expect(done.stderr).not.toContain('secret')
  })

  it('names the flag that cannot be, and not its value', async () => {
    const args = ['--role-arn', 'secret', '--region', 'eu-central-1', '--socket', 'unix:///none']
    const done = await finishProgram(program, ['aws-web-identity', ...args])
    expect(done).toEqual({
      status: 1,
      stdout: '',
      stderr: 'mini-spire-credentials: --role-arn: it does not look like one\n',
    })
  })

  it('lists its commands and their flags', async () => {
    const all = await finishProgram(program, ['--help'])
    const one = await finishProgram(program, ['token-file', '--help'])
    expect([all, one]).toMatchObject([{ status: 0 }, { status: 0 }])
    expect(all.stdout).toContain('aws-roles-anywhere')
    expect(one.stdout).toContain('--audience')
  })
})

function tokenIn(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
