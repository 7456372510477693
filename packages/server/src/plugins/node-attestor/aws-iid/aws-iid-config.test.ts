import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AwsIidConfig, readAwsIidConfig } from './aws-iid-config.ts'

const read = (text: string, environment: Record<string, string> = {}): AwsIidConfig =>
  readAwsIidConfig(parseConfig(text), environment)
const stated = 'rpc error: code = InvalidArgument desc = '
const error = (message: string): unknown =>
  expect.objectContaining({ code: 'ERR_NODE_ATTESTOR_CONFIG', message })
const organization = (keys: string): string => `verify_organization = { ${keys} }`
const managed = 'management_account_id = "1" assume_org_role = "r"'

describe('the configuration of aws_iid', () => {
  it('has defaults for everything', () => {
    expect(readAwsIidConfig(undefined, {})).toMatchObject({
      accessKey: undefined,
      partition: 'aws',
      assumeRole: '',
      isNamedByTags: false,
      skipsBlockDevice: false,
      skipsInstanceProfile: false,
      organization: undefined,
      management: undefined,
      clusterNames: undefined,
    })
    expect(read(organization(managed))).toMatchObject({
      organization: { ttlMs: 180_000, accountListFile: '' },
      management: { accountId: '1', region: 'us-west-2', role: 'r' },
    })
  })

  it('takes an access key from where it stands, and leaves the environment’s own to the SDK', () => {
    const environment = { AWS_ACCESS_KEY_ID: 'env-id', AWS_SECRET_ACCESS_KEY: 'env-secret' }
    expect(read('', environment).accessKey).toBeUndefined()
    expect(
      read('access_key_id = "id" secret_access_key = "secret"', environment).accessKey,
    ).toEqual({ accessKeyId: 'id', secretAccessKey: 'secret' })
    expect(read('access_key_id = "id"', environment).accessKey).toEqual({
      accessKeyId: 'id',
      secretAccessKey: 'env-secret',
    })
  })

  it.each([
    [
      'access_key_id = "a"',
      `${stated}configuration missing secret access key, but has access key id`,
    ],
    [
      'secret_access_key = "a"',
      `${stated}configuration missing access key id, but has secret access key`,
    ],
    ['partition = "x"', 'invalid partition "x", must be one of: [aws aws-cn aws-us-gov]'],
    ['agent_path_template = "{{"', 'failed to parse agent svid template: "{{"'],
    [
      organization(''),
      `${stated}please ensure that "management_account_id" & "assume_org_role" are present inside block or remove the block: "verify_organization" for feature node attestation using account id verification`,
    ],
    [
      organization(`${managed} org_account_map_ttl = "59s"`),
      `${stated}please ensure that "org_account_map_ttl" if configured, it should be greater than or equal to "1m". Otherwise remove the: "org_account_map_ttl", in the block: "verify_organization". Default TTL will be: "3m"`,
    ],
    [
      organization(`${managed} org_account_map_ttl = "x"`),
      `${stated}please ensure that "org_account_map_ttl" if configured, it should be in duration and is suffixed with required 'm' for time duration in minute ex. '5m'. Otherwise, remove the: "org_account_map_ttl", in the block: "verify_organization". Default TTL will be: "3m"`,
    ],
    [
      organization('management_account_id = "1" account_list_file = "/nope"'),
      `${stated}"account_list_file" is mutually exclusive with "management_account_id" and "assume_org_role" in the block: "verify_organization"`,
    ],
    [
      organization('account_list_file = "/nope"'),
      `${stated}invalid "account_list_file" in the block: "verify_organization": unable to read account list file: open /nope: no such file or directory`,
    ],
  ])('%s is refused in the words of SPIRE 1.15.3', (text, message) => {
    expect(() => read(text)).toThrow(error(message))
  })
})

describe('a list of accounts', () => {
  let path = ''
  beforeEach(() => {
    path = join(mkdtempSync(join(tmpdir(), 'aws-iid-')), 'accounts')
  })
  afterEach(() => rmSync(join(path, '..'), { recursive: true }))

  it.each(['', '{}', '["1', '[5]', '"123456789012"'])('%j is not one', (text) => {
    writeFileSync(path, text)
    expect(() => read(organization(`account_list_file = "${path}"`))).toThrow(
      `unable to parse account list file "${path}", expected a JSON array of account IDs`,
    )
  })

  it('holds IDs of 12 digits', () => {
    writeFileSync(path, '["123456789012", "12"]')
    expect(() => read(organization(`account_list_file = "${path}"`))).toThrow(
      `invalid account id "12" in account list file "${path}", expected a 12-digit AWS account id`,
    )
  })
})
