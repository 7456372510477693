import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestAws } from '@mini-spire/sdk/testing/platforms'
import { attestationContext } from '@mini-spire/server/plugins/node-attestor/attestation-context.test-kit'
import type { AwsApi } from '@mini-spire/server/plugins/node-attestor/aws-iid/aws-api'
import {
  certificatesOf,
  payloadOf,
} from '@mini-spire/server/plugins/node-attestor/aws-iid/aws-evidence.test-kit'
import { AwsIidAttestor } from '@mini-spire/server/plugins/node-attestor/aws-iid/aws-iid'
import { readAwsIidConfig } from '@mini-spire/server/plugins/node-attestor/aws-iid/aws-iid-config'
import { AwsSdkApi } from '@mini-spire/server/plugins/node-attestor/aws-iid/aws-sdk-api'
import { attestorOptions } from '@mini-spire/server/plugins/node-attestor/aws-iid/create-aws-iid'
import { loadAwsSdk } from '@mini-spire/server/plugins/node-attestor/aws-iid/load-aws-sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Moto, ownAccount, startMoto } from '../kit/moto.ts'
import { isPythonMissing } from '../kit/peers.ts'
import { Scene } from '../kit/processes.ts'

const place = { accountId: '222222222222', region: 'us-west-2' }
const instanceId = 'i-0123456789abcdef0'
const key = 'access_key_id = "test" secret_access_key = "test"'

describe.skipIf(isPythonMissing())('AWS, as moto plays it', () => {
  const scene = new Scene()
  const saved = process.env['AWS_ENDPOINT_URL']
  let moto: Moto

  beforeAll(async () => {
    moto = await startMoto(scene, {
      instances: [
        {
          ...place,
          instanceId,
          imageId: 'ami-12c6146b',
          tags: { Name: 'web-1', 'aws-like:name': 'a b' },
          profile: 'web-profile',
          roles: ['web'],
        },
        { ...place, instanceId: 'i-0aaaaaaaaaaaaaaaa', imageId: 'ami-12c6146b', state: 'stopped' },
      ],
      accounts: { open: 'open', closed: 'closed' },
      cluster: { ...place, name: 'blue', nodegroups: ['one', 'two'] },
    })
    process.env['AWS_ENDPOINT_URL'] = moto.environment['AWS_ENDPOINT_URL']
  })
  afterAll(async () => {
    if (saved === undefined) delete process.env['AWS_ENDPOINT_URL']
    else process.env['AWS_ENDPOINT_URL'] = saved
    await scene[Symbol.asyncDispose]()
  })

  async function open(config: string): Promise<AwsApi> {
    const sdk = await loadAwsSdk({ organizations: true, cluster: true })
    const http = new HttpClient({ environment: {}, clock: systemClock })
    return new AwsSdkApi({ ...readAwsIidConfig(parseConfig(config), {}), sdk, http })
  }
  const signal = new AbortController().signal

  it('tells of an instance of another account, to a role that is assumed there', async () => {
    const api = await open(`${key} assume_role = "reader"`)
    const [[instance] = []] = await api.describeInstances(place, instanceId, signal)
    expect(instance).toMatchObject({
      tags: [
        { key: 'Name', value: 'web-1' },
        { key: 'aws-like:name', value: 'a b' },
      ],
      securityGroups: [{ id: expect.stringMatching(/^sg-/), name: `of-${instanceId}` }],
      instanceProfileArn: `arn:aws:iam::${place.accountId}:instance-profile/team/web-profile`,
      rootDeviceType: 'ebs',
      rootDeviceName: '/dev/sda1',
    })
    expect(instance?.networkInterfaces).toEqual([{ device: 0, attachedAt: expect.any(Date) }])
    expect(instance?.blockDevices).toContainEqual({
      device: '/dev/sda1',
      attachedAt: expect.any(Date),
    })
  })

  it('tells nothing of it to who stays in his own account, nor of one that it does not know', async () => {
    const api = await open(key)
    const code = 'api error InvalidInstanceID.NotFound'
    await expect(api.describeInstances(place, instanceId, signal)).rejects.toThrow(code)
    const other = await open(`${key} assume_role = "reader"`)
    const elsewhere = { ...place, region: 'eu-west-1' }
    await expect(other.describeInstances(elsewhere, instanceId, signal)).rejects.toThrow(code)
  })

  it('tells nothing of an instance that was stopped', async () => {
    const api = await open(`${key} assume_role = "reader"`)
    expect((await api.describeInstances(place, 'i-0aaaaaaaaaaaaaaaa', signal)).flat()).toEqual([])
  })

  it('names the roles of an instance profile', async () => {
    const api = await open(`${key} assume_role = "reader"`)
    expect(await api.listProfileRoles(place, 'web-profile', signal)).toEqual([
      `arn:aws:iam::${place.accountId}:role/web`,
    ])
    await expect(api.listProfileRoles(place, 'none', signal)).rejects.toThrow(
      /^api error NoSuchEntity/,
    )
  })

  it('lists the active accounts of the organization', async () => {
    const api = await open(
      `${key} verify_organization = { management_account_id = "${ownAccount}" assume_org_role = "lister" }`,
    )
    const active = await api.listActiveAccounts(signal)
    expect([...active].sort()).toEqual([ownAccount, moto.accounts['open']].sort())
  })

  it('lists the instances of all node groups of a cluster', async () => {
    const api = await open(`${key} assume_role = "reader"`)
    const members = await api.listClusterInstances(place, 'blue', signal)
    expect([...members].sort()).toEqual(Object.values(moto.members).flat().sort())
    expect(members).toHaveLength(4)
    await expect(api.listClusterInstances(place, 'green', signal)).rejects.toThrow(
      'issue while getting list of EKS Nodegroups: ',
    )
  })

  it('lets an instance in that it vouches for, with all its selectors', async () => {
    const aws = new TestAws()
    const config = readAwsIidConfig(parseConfig(''), {})
    const api = await open(`${key} assume_role = "reader"`)
    const sut = new AwsIidAttestor({
      ...attestorOptions(config, api, systemClock),
      trustDomain: TrustDomain.parse('example.org'),
      certificates: certificatesOf(aws),
    })
    const payload = payloadOf(aws.evidence({ accountId: place.accountId }))
    const { selectorValues } = await sut.attest(payload, attestationContext())
    expect(selectorValues).toEqual([
      'account_id:222222222222',
      'az:us-west-2a',
      'iamrole:arn:aws:iam::222222222222:role/web',
      'image:id:ami-0a1b2c3d4e5f60718',
      `instance:id:${instanceId}`,
      'region:us-west-2',
      expect.stringMatching(/^sg:id:sg-/),
      `sg:name:of-${instanceId}`,
      'tag:Name:web-1',
      'tag:aws-like:name:a b',
    ])
  })
})
