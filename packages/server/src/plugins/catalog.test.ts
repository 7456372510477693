import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { readPlugins } from '@mini-spire/runtime/config/read-plugins'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { loadPlugins } from './catalog.ts'

const load = (plugins: string) =>
  loadPlugins(readPlugins(parseConfig(plugins)), {
    trustDomain: TrustDomain.parse('example.org'),
    clock: systemClock,
    log: silentLogger,
    ownRoots: () => [],
    hostServices: [],
    environment: {},
    chance: () => 0,
  })
const memory = 'KeyManager "memory" {}'

describe('loadPlugins refuses', () => {
  it.each([
    [
      '',
      'ERR_PLUGIN_COUNT',
      'plugin type "KeyManager" constraint not satisfied: expected exactly 1 but got 0',
    ],
    [
      `${memory} KeyManager "disk" { plugin_data { keys_path = "/nowhere/keys.json" } }`,
      'ERR_PLUGIN_COUNT',
      'plugin type "KeyManager" constraint not satisfied: expected exactly 1 but got 2',
    ],
    [
      'KeyManager "nope" {}',
      'ERR_PLUGIN_UNKNOWN',
      'failed to load plugin "nope": no built-in plugin "nope" for type "KeyManager"',
    ],
    [
      `${memory} NodeAttestor "x509pop" { plugin_data { ca_bundle_path = [] } }`,
      'ERR_PLUGIN_CONFIG',
      'failed to configure plugin "x509pop": rpc error: code = InvalidArgument desc = unable to decode configuration: At 1:80: root.ca_bundle_path: unknown type for string *ast.ListType',
    ],
    [
      `${memory} NodeAttestor "x509pop" { plugin_data {} }`,
      'ERR_PLUGIN_CONFIG',
      'failed to configure plugin "x509pop": rpc error: code = InvalidArgument desc = one of ca_bundle_path or ca_bundle_paths must be configured',
    ],
    [
      'KeyManager "disk" { plugin_data {} }',
      'ERR_PLUGIN_CONFIG',
      'failed to configure plugin "disk": rpc error: code = InvalidArgument desc = keys_path is required',
    ],
    [
      `${memory} CredentialComposer "uniqueid" { plugin_data { x = 1 } }`,
      'ERR_PLUGIN_CONFIG',
      'failed to configure plugin "uniqueid": no supported configuration interface found',
    ],
    [`${memory} Foo "bar" {}`, 'ERR_PLUGIN_UNKNOWN', 'unsupported plugin type "Foo"'],
    [
      `${memory} Notifier "k8sbundle" {}`,
      'ERR_PLUGIN_UNKNOWN',
      'failed to load plugin "k8sbundle": no built-in plugin "k8sbundle" for type "Notifier"',
    ],
  ])('%s', async (plugins, code, message) => {
    await expect(load(plugins)).rejects.toMatchObject({ code, message })
  })
})

describe('loadPlugins', () => {
  it('serves join tokens without a plugin, and skips what is disabled', async () => {
    const { nodeAttestors } = await load(
      `${memory} NodeAttestor "join_token" {} NodeAttestor "x509pop" { enabled = false }`,
    )
    expect([...nodeAttestors.keys()]).toEqual([])
  })

  it('knows attestors by name', async () => {
    const { nodeAttestors } = await load(
      `${memory} NodeAttestor "x509pop" { plugin_data { mode = "spiffe" } }`,
    )
    expect([...nodeAttestors.keys()]).toEqual(['x509pop'])
  })
})
