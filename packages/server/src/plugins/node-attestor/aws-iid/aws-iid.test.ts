import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestAws, type TestDocument } from '@mini-spire/sdk/testing/platforms'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attestationContext, type FakeAgent } from '../attestation-context.test-kit.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation } from '../node-attestor.ts'
import type { AwsApi, AwsPlace, Ec2Instance } from './aws-api.ts'
import { certificatesOf, payloadOf } from './aws-evidence.test-kit.ts'
import { AwsIidAttestor } from './aws-iid.ts'
import { readAwsIidConfig } from './aws-iid-config.ts'
import { boundedInTime } from './bounded-api.ts'
import { attestorOptions } from './create-aws-iid.ts'

const aws = new TestAws()
const agentId =
  'spiffe://example.org/spire/agent/aws_iid/123456789012/us-west-2/i-0123456789abcdef0'
const attached = new Date('2026-11-01T10:00:00Z')
const role = 'arn:aws:iam::123456789012:role/web'
const instance: Ec2Instance = {
  tags: [
    { key: 'Name', value: 'web-1' },
    { key: 'aws:autoscaling:groupName', value: 'web' },
  ],
  securityGroups: [{ id: 'sg-1', name: 'default' }],
  instanceProfileArn: 'arn:aws:iam::123456789012:instance-profile/team/web-profile',
  networkInterfaces: [
    { device: 1, attachedAt: undefined },
    { device: 0, attachedAt: attached },
  ],
  rootDeviceType: 'ebs',
  rootDeviceName: '/dev/xvda',
  blockDevices: [
    { device: '/dev/sdf', attachedAt: undefined },
    { device: '/dev/xvda', attachedAt: attached },
  ],
}

/** What AWS says, and what it was asked. */
class FakeApi implements AwsApi {
  readonly asked: string[] = []
  readonly #instances: readonly (readonly Ec2Instance[])[]
  accounts: readonly string[] = ['123456789012']
  members: readonly string[] = ['i-0123456789abcdef0']
  refusal: { readonly of: string; readonly error: Error } | undefined

  constructor(instances: readonly (readonly Ec2Instance[])[] = [[instance]]) {
    this.#instances = instances
  }

  #answer<T>(of: string, what: string, value: T): Promise<T> {
    this.asked.push(`${of} ${what}`.trim())
    return this.refusal?.of === of ? Promise.reject(this.refusal.error) : Promise.resolve(value)
  }

  describeInstances({ region }: AwsPlace, id: string): ReturnType<AwsApi['describeInstances']> {
    return this.#answer('instances', `${region} ${id}`, this.#instances)
  }

  listProfileRoles(_: AwsPlace, name: string): Promise<readonly string[]> {
    return this.#answer('roles', name, [role])
  }

  listActiveAccounts(): Promise<ReadonlySet<string>> {
    return this.#answer('accounts', '', new Set(this.accounts))
  }

  listClusterInstances({ accountId }: AwsPlace, name: string): Promise<readonly string[]> {
    return this.#answer('cluster', `${accountId} ${name}`, this.members)
  }
}

const clock = new FakeClock()

function attestor(config = '', api: AwsApi = new FakeApi()): AwsIidAttestor {
  const read = readAwsIidConfig(parseConfig(config), {})
  return new AwsIidAttestor({
    ...attestorOptions(read, boundedInTime(api, clock), clock),
    trustDomain: TrustDomain.parse('example.org'),
    certificates: certificatesOf(aws),
  })
}

const attest = (
  sut: AwsIidAttestor,
  change: TestDocument = {},
  agent: FakeAgent = {},
): Promise<NodeAttestation> =>
  sut.attest(payloadOf(aws.evidence(change)), attestationContext(agent))
const error = (code: string, message: string): unknown => expect.objectContaining({ code, message })
const failed = (message: string): unknown => error('ERR_NODE_ATTESTOR_FAILED', message)

const documentSelectors = [
  'account_id:123456789012',
  'az:us-west-2a',
  'image:id:ami-0a1b2c3d4e5f60718',
  'instance:id:i-0123456789abcdef0',
  'region:us-west-2',
]
const tagSelectors = ['tag:Name:web-1', 'tag:aws:autoscaling:groupName:web']

nodeAttestorContract({ describe, it, expect }, 'aws_iid', () => ({
  attestor: attestor(),
  payload: payloadOf(aws.evidence({})),
}))

describe('aws_iid', () => {
  it('attests the instance that the document is of', async () => {
    const api = new FakeApi()
    expect(await attest(attestor('', api))).toEqual({
      agentId,
      selectorValues: [
        'account_id:123456789012',
        'az:us-west-2a',
        `iamrole:${role}`,
        'image:id:ami-0a1b2c3d4e5f60718',
        'instance:id:i-0123456789abcdef0',
        'region:us-west-2',
        'sg:id:sg-1',
        'sg:name:default',
        ...tagSelectors,
      ],
      canReattest: false,
      isTrustedOnFirstUse: true,
    })
    expect(api.asked).toEqual(['instances us-west-2 i-0123456789abcdef0', 'roles web-profile'])
  })

  it('asks for no instance profile where it must not, or where there is none', async () => {
    const api = new FakeApi()
    const { selectorValues } = await attest(
      attestor('disable_instance_profile_selectors = true', api),
    )
    expect(selectorValues.filter((one) => one.startsWith('iamrole'))).toEqual([])
    const bare = new FakeApi([[{ ...instance, instanceProfileArn: undefined }]])
    await attest(attestor('', bare))
    expect([...api.asked, ...bare.asked].filter((one) => one.startsWith('roles'))).toEqual([])
  })

  it('names the agent by its template, tags included', async () => {
    const template =
      '/a/{{ .AccountID }}/{{ index .Tags \\"aws:autoscaling:groupName\\" }}/{{ .Tags.Name }}'
    const sut = attestor(`skip_block_device = true agent_path_template = "${template}"`)
    expect((await attest(sut)).agentId).toBe(
      'spiffe://example.org/spire/agent/a/123456789012/web/web-1',
    )
  })

  it.each([
    ['/{{ .Tags.Missing }}', {}, 'map has no entry for key "Missing"'],
    ['/{{ .InstanceID }}', { instanceId: '../../server' }, 'path cannot contain dot segments'],
    ['/{{ .InstanceID }}', { instanceId: '' }, 'path cannot have a trailing slash'],
    ['/{{ .Region }}{{ .TrustDomain }}', { accountId: '1' }, ''],
  ])('fills nothing into %s that is no path', async (template, change, message) => {
    const attesting = attest(attestor(`agent_path_template = "${template}"`), change)
    if (message === '') expect((await attesting).agentId).toMatch(/agent\/us-west-2$/)
    else await expect(attesting).rejects.toThrow(/^failed to create spiffe ID: /)
    if (message !== '') await expect(attesting).rejects.toThrow(message)
  })

  it('trusts an instance once, and asks AWS nothing about it again', async () => {
    const api = new FakeApi()
    const again = { attested: [agentId] }
    const text = 'attestation data has already been used to attest an agent'
    await expect(attest(attestor('', api), {}, again)).rejects.toThrow(
      error('ERR_NODE_EVIDENCE_REFUSED', text),
    )
    expect(api.asked).toEqual([])
    const named = attestor('agent_path_template = "/t/{{ .Tags.Name }}"', api)
    const byTag = { attested: ['spiffe://example.org/spire/agent/t/web-1'] }
    await expect(attest(named, {}, byTag)).rejects.toThrow(error('ERR_NODE_EVIDENCE_REFUSED', text))
    expect(api.asked).toEqual(['instances us-west-2 i-0123456789abcdef0'])
  })

  it('asks nothing on the word of who cannot prove it', async () => {
    const api = new FakeApi()
    const evidence = { ...aws.evidence(), document: aws.document({ accountId: '999999999999' }) }
    await expect(
      attestor('', api).attest(payloadOf(evidence), attestationContext()),
    ).rejects.toThrow('does not match the verified PKCS7 content')
    expect(api.asked).toEqual([])
  })

  it('says why AWS said no', async () => {
    for (const [of, message] of [
      ['instances', 'failed to describe instance: api error UnauthorizedOperation: no'],
      ['roles', 'failed to get intance profile: api error UnauthorizedOperation: no'],
    ] as const) {
      const api = new FakeApi()
      api.refusal = { of, error: new Error('api error UnauthorizedOperation: no') }
      await expect(attest(attestor('', api))).rejects.toThrow(failed(message))
    }
  })

  it.each([
    ['x', 'failed to parse arn: invalid prefix'],
    ['arn:aws:iam:', 'failed to parse arn: not enough sections'],
    ['arn:aws:iam::1:role/web', 'arn is not for an instance profile'],
  ])('does not take %s for an instance profile', async (arn, message) => {
    const api = new FakeApi([[{ ...instance, instanceProfileArn: arn }]])
    await expect(attest(attestor('', api))).rejects.toThrow(failed(message))
  })
})

describe('an instance that EC2 does not know', () => {
  const query = 'failed to query AWS via describe-instances'

  it('is refused where its volumes or its tags matter', async () => {
    await expect(attest(attestor('', new FakeApi([])))).rejects.toThrow(
      failed(`${query}: returned no reservations`),
    )
    const tagged = 'skip_block_device = true agent_path_template = "/{{ .Tags.Name }}"'
    await expect(attest(attestor(tagged, new FakeApi([[]])))).rejects.toThrow(
      failed(`${query}: returned no instances`),
    )
  })

  it('is believed where they do not, by its document alone, as in SPIRE', async () => {
    const { selectorValues } = await attest(attestor('skip_block_device = true', new FakeApi([])))
    expect(selectorValues).toEqual(documentSelectors)
  })
})

describe('the root volume', () => {
  const later = new Date(attached.getTime() + 61_000)
  const rootOf = (attachedAt: Date | undefined): Ec2Instance => ({
    ...instance,
    blockDevices: [{ device: '/dev/xvda', attachedAt }],
  })

  it.each<[string, Ec2Instance, string]>([
    [
      'was attached later',
      rootOf(later),
      'failed checking the disparity device attach times, root BlockDeviceMapping and NetworkInterface[0] attach times differ by 61 seconds',
    ],
    [
      'was attached earlier',
      rootOf(new Date(attached.getTime() - 3_600_000)),
      'failed checking the disparity device attach times, root BlockDeviceMapping and NetworkInterface[0] attach times differ by 3600 seconds',
    ],
    [
      'was attached nobody knows when',
      rootOf(undefined),
      'failed to locate the root device block mapping with name "/dev/xvda"',
    ],
    [
      'is not there',
      { ...instance, blockDevices: [] },
      'failed to locate the root device block mapping with name "/dev/xvda"',
    ],
    [
      'has no name',
      { ...instance, rootDeviceName: '', blockDevices: [{ device: '', attachedAt: attached }] },
      'failed to locate the root device block mapping with name ""',
    ],
    [
      'stands beside no first network interface',
      { ...instance, networkInterfaces: [{ device: 1, attachedAt: attached }] },
      'the EC2 instance network interface with device index 0 is inaccessible',
    ],
  ])('that %s refuses the instance', async (_, changed, message) => {
    const api = new FakeApi([[changed]])
    await expect(attest(attestor('', api))).rejects.toThrow(
      failed(`failed aws ec2 attestation: ${message}`),
    )
    for (const config of [
      'skip_block_device = true',
      'account_ids_for_local_validation = ["123456789012"]',
    ]) {
      expect((await attest(attestor(config, api))).agentId).toBe(agentId)
    }
    const other = 'account_ids_for_local_validation = ["123456789013"]'
    await expect(attest(attestor(other, api))).rejects.toThrow(message)
  })

  it('may be a minute older or younger, or an instance store', async () => {
    const minute = new Date(attached.getTime() + 60_999)
    const store = { ...rootOf(later), rootDeviceType: 'instance-store' }
    for (const one of [rootOf(minute), store]) {
      expect((await attest(attestor('', new FakeApi([[one]])))).agentId).toBe(agentId)
    }
  })
})

describe('an organization', () => {
  const config = 'verify_organization = { management_account_id = "1" assume_org_role = "lister" }'
  const stranger = { accountId: '222222222222' }
  const message =
    "failed aws ec2 attestation, nodes account id: 222222222222 is not part of configured organization or doesn't have ACTIVE status"

  it('vouches for its active accounts, and is asked once in three minutes', async () => {
    const api = new FakeApi()
    const sut = attestor(config, api)
    await attest(sut)
    await attest(sut)
    await expect(attest(attestor(config, api), stranger)).rejects.toThrow(failed(message))
    expect(api.asked.filter((one) => one === 'accounts')).toHaveLength(2)
    clock.advance(180_001)
    await attest(sut)
    expect(api.asked.filter((one) => one === 'accounts')).toHaveLength(3)
  })

  it('is asked again for a stranger, five times and no more until it is due', async () => {
    const api = new FakeApi()
    const sut = attestor(config, api)
    await attest(sut)
    for (let tries = 0; tries < 20; tries++) {
      await expect(attest(sut, stranger)).rejects.toThrow(failed(message))
    }
    expect(api.asked.filter((one) => one === 'accounts')).toHaveLength(6)
    api.accounts = ['222222222222']
    await expect(attest(sut, stranger)).rejects.toThrow(failed(message))
    clock.advance(180_001)
    expect((await attest(sut, stranger)).agentId).toContain('222222222222')
    await expect(attest(sut)).rejects.toThrow('nodes account id: 123456789012 is not part of')
  })

  it('that does not answer vouches for nobody, not even for whom it did before', async () => {
    const api = new FakeApi()
    const sut = attestor(config, api)
    await attest(sut)
    clock.advance(180_001)
    api.refusal = { of: 'accounts', error: new Error('api error AccessDeniedException: no') }
    await expect(attest(sut)).rejects.toThrow(
      failed(
        'failed aws ec2 attestation, issue while verifying if nodes account id: 123456789012 belong to org: api error AccessDeniedException: no',
      ),
    )
  })
})

describe('an organization in a file', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aws-iid-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is read again when it is due, and vouches for nobody when it cannot be', async () => {
    const path = join(folder, 'accounts.json')
    const config = `verify_organization = { account_list_file = "${path}" org_account_map_ttl = "1m" }`
    writeFileSync(path, '["123456789012"]')
    const api = new FakeApi()
    const sut = attestor(config, api)
    expect((await attest(sut)).agentId).toBe(agentId)
    expect(api.asked).not.toContain('accounts')
    writeFileSync(path, '["222222222222"]')
    expect((await attest(sut)).agentId).toBe(agentId)
    clock.advance(60_001)
    await expect(attest(sut)).rejects.toThrow('is not part of configured organization')
    writeFileSync(path, '[5]')
    clock.advance(60_001)
    await expect(attest(sut)).rejects.toThrow('failed to load org account list: unable to parse')
  })
})

describe('a cluster', () => {
  const config = 'validate_eks_cluster_membership = { eks_cluster_names = ["blue", "green"] }'

  it('vouches for the instances of its node groups', async () => {
    const api = new FakeApi()
    expect((await attest(attestor(config, api))).agentId).toBe(agentId)
    expect(api.asked.slice(0, 2)).toEqual([
      'cluster 123456789012 blue',
      'cluster 123456789012 green',
    ])
    api.members = ['i-0000000000000000']
    await expect(attest(attestor(config, api))).rejects.toThrow(
      failed(
        'failed aws eks attestation, nodes id: i-0123456789abcdef0 is not part of configured EKS cluster',
      ),
    )
  })

  it('of one account vouches for no instance of another', async () => {
    const api = new FakeApi()
    const sut = attestor(config, api)
    await attest(sut)
    api.members = []
    await expect(attest(sut, { accountId: '222222222222' })).rejects.toThrow('is not part of')
    expect(api.asked).toContain('cluster 222222222222 blue')
  })

  it('that does not answer vouches for nobody', async () => {
    const api = new FakeApi()
    api.refusal = { of: 'cluster', error: new Error('no') }
    await expect(attest(attestor(config, api))).rejects.toThrow(
      failed(
        'failed aws eks attestation, issue while verifying if nodes id: i-0123456789abcdef0 belong to cluster: no',
      ),
    )
  })
})

describe('AWS', () => {
  it('that says nothing is waited for 20 s [gate 9]', async () => {
    for (const [method, config] of [
      ['describeInstances', ''],
      ['listProfileRoles', ''],
      [
        'listActiveAccounts',
        'verify_organization = { management_account_id = "1" assume_org_role = "r" }',
      ],
      ['listClusterInstances', 'validate_eks_cluster_membership = { eks_cluster_names = ["c"] }'],
    ] as const) {
      const api: AwsApi = new FakeApi()
      const { promise, resolve } = hanging()
      api[method] = (): Promise<never> => {
        resolve()
        return new Promise<never>(() => undefined)
      }
      const attesting = expect(attest(attestor(config, api))).rejects.toThrow(
        'no answer from AWS within 20 s',
      )
      await promise
      clock.advance(20_000)
      await attesting
    }
  })

  it('is asked no longer for an agent that has gone', async () => {
    const api = new FakeApi()
    const { promise, resolve } = hanging()
    let ended: AbortSignal | undefined
    api.describeInstances = (
      _place: AwsPlace,
      _id: string,
      signal?: AbortSignal,
    ): Promise<never> => {
      ended = signal
      resolve()
      return new Promise<never>(() => undefined)
    }
    const agent = new AbortController()
    const context = { ...attestationContext(), signal: agent.signal }
    const attesting = attestor('', api).attest(payloadOf(aws.evidence()), context)
    await promise
    agent.abort(new Error('gone'))
    await expect(attesting).rejects.toThrow('failed to describe instance: gone')
    expect(ended?.aborted).toBe(true)
  })
})

function hanging(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
