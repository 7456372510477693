import { parseConfig } from '@mini-spire/runtime/config/parse'
import { readPlugins } from '@mini-spire/runtime/config/read-plugins'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { checkPluginData, type PluginDataProblem } from './check-data.ts'

function check(name: string, data: string, more = ''): readonly PluginDataProblem[] {
  const text = `NodeAttestor "${name}" { plugin_data { ${data} } ${more} }`
  const surroundings = { trustDomain: TrustDomain.parse('example.org'), environment: {} }
  return checkPluginData(readPlugins(parseConfig(text)), surroundings)
}

describe('plugin_data of a node attestor', () => {
  const bad = [
    ['azure_msi', '', 'configuration must have at least one tenant'],
    ['gcp_iit', '', 'projectid_allow_list is required'],
    ['http_challenge', 'allowed_dns_patterns = ["("]', 'cannot compile allowed_dns_pattern: '],
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
    ['azure_msi', 'tenants = { "t" = {} }'],
    ['gcp_iit', 'projectid_allow_list = ["p"]'],
    ['http_challenge', ''],
    ['k8s_psat', 'clusters = { a = { service_account_allow_list = ["n:s"] } }'],
  ])('is found good without asking anybody: %s', (name, data) => {
    expect(check(name, data)).toEqual([])
  })
})
