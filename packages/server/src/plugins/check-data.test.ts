import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { readPlugins } from '@mini-spire/runtime/config/read-plugins'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkPluginData, type PluginDataProblem } from './check-data.ts'
import { nodeAttestorBuiltIns } from './node-attestor/built-ins.ts'

const surroundings = { trustDomain: TrustDomain.parse('example.org'), environment: {} }

function check(name: string, data: string, more = ''): readonly PluginDataProblem[] {
  const text = `NodeAttestor "${name}" { plugin_data { ${data} } ${more} }`
  return checkPluginData(readPlugins(parseConfig(text)), surroundings)
}

describe('plugin_data of a node attestor', () => {
  const bad = [
    ['aws_iid', 'partition = "x"', 'invalid partition "x", must be one of: [aws aws-cn'],
    ['azure_imds', '', 'configuration must have at least one tenant'],
    ['azure_msi', '', 'configuration must have at least one tenant'],
    ['gcp_iit', '', 'projectid_allow_list is required'],
    ['http_challenge', 'allowed_dns_patterns = ["("]', 'cannot compile allowed_dns_pattern: '],
    ['http_challenge', 'required_port = "x"', 'unable to decode configuration: strconv.ParseInt: '],
    ['join_token', 'a = 1', 'unknown setting "a" encountered'],
    [
      'join_token',
      'a = 1 b {}',
      'unknown setting "a" encountered\n\t\tunknown setting "b" encountered',
    ],
    ['k8s_psat', '', 'No clusters configured, PSAT attestation is effectively disabled'],
    ['k8s_psat', 'clusters = { a = {} }', 'must have at least one service account allowed'],
    ['sshpop', '', 'missing required config value for "cert_authorities"'],
    ['tpm_devid', '', 'devid_ca_path is required'],
  ] as const

  it.each(bad)('is judged before the server runs: %s', (name, data, problem) => {
    const expected = { type: 'NodeAttestor', name, problem: expect.stringContaining(problem) }
    expect(check(name, data)).toEqual([expected])
  })

  it.each(bad)('is not looked at when the plugin is off: %s', (name, data) => {
    expect(check(name, data, 'enabled = false')).toEqual([])
  })

  it.each([
    ['aws_iid', ''],
    ['join_token', ''],
    ['azure_msi', 'tenants = { "t" = {} }'],
    ['gcp_iit', 'projectid_allow_list = ["p"]'],
    ['http_challenge', ''],
    ['k8s_psat', 'clusters = { a = { service_account_allow_list = ["n:s"] } }'],
  ])('is found good without asking anybody: %s', (name, data) => {
    expect(check(name, data)).toEqual([])
  })
})

it('no built-in node attestor is left out of what is judged', () => {
  const unread = [...nodeAttestorBuiltIns.keys()].filter((name) => {
    const text = `NodeAttestor "${name}" { plugin_data { agent_path_template = [] required_port = [] clusters = 1 devid_ca_path = [] cert_authorities = {} } }`
    return checkPluginData(readPlugins(parseConfig(text)), surroundings).length === 0
  })
  expect(unread).toEqual([])
})

describe('plugin_data_file', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'plugin-data-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function checkFile(name: string, content?: string): readonly PluginDataProblem[] {
    const path = join(folder, 'data.conf')
    if (content !== undefined) writeFileSync(path, content)
    const text = `NodeAttestor "${name}" { plugin_data_file = "${path}" }`
    return checkPluginData(readPlugins(parseConfig(text)), surroundings)
  }

  it.each(['x509pop', 'join_token'])('that is not there is said of any plugin: %s', (name) => {
    const path = join(folder, 'data.conf')
    const problem = `failed to read plugin configuration: open ${path}: no such file or directory`
    expect(checkFile(name)).toEqual([{ type: 'NodeAttestor', name, problem }])
  })

  it.each([
    [
      'is judged like plugin_data',
      'x509pop',
      '',
      'one of ca_bundle_path or ca_bundle_paths must be',
    ],
    ['may be JSON', 'sshpop', '{}', 'missing required config value for "cert_authorities"'],
    ['that is broken is said', 'x509pop', 'Foo', 'unable to decode configuration: '],
  ])('%s', (_, name, content, problem) => {
    expect(checkFile(name, content)).toMatchObject([{ problem: expect.stringContaining(problem) }])
  })

  it('that is good is not spoken of', () => {
    expect(checkFile('gcp_iit', 'projectid_allow_list = ["p"]')).toEqual([])
  })
})
