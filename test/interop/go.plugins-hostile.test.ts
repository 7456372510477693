import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { PluginLoader } from '@mini-spire/runtime/plugin-host/plugin-loader'
import {
  ExternalNodeAttestor,
  nodeAttestorService,
} from '@mini-spire/server/plugins/external/node-attestor-client'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { goPlugins, isGoMissing } from '../kit/peers.ts'

let program = ''
let folder = ''
let lines: string[] = []
let loader: PluginLoader

const source = {
  create: undefined,
  external: {
    service: nodeAttestorService,
    adapt: (plugin: ConstructorParameters<typeof ExternalNodeAttestor>[0]) =>
      new ExternalNodeAttestor(plugin),
  },
}
const context = {
  challenge: () => Promise.reject(new Error('not asked for')),
  clientIp: '',
  isAttested: () => false,
  untrustedHost: '',
  signal: AbortSignal.timeout(120_000),
}

function config(args: readonly string[], more: Partial<PluginConfig> = {}): PluginConfig {
  return {
    type: 'NodeAttestor',
    name: 'hostile',
    isEnabled: true,
    command: program,
    args,
    checksum: '',
    data: undefined,
    dataFile: undefined,
    ...more,
  }
}

const load = (how: string, more: Partial<PluginConfig> = {}): Promise<ExternalNodeAttestor> =>
  loader.load(config([how], more), source)

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

describe.skipIf(isGoMissing())('a plugin in another process', () => {
  beforeAll(async () => {
    program = await goPlugins()
  })
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'plugins-'))
    lines = []
    const destination = { isTerminal: false, write: (text: string) => void lines.push(text) }
    loader = new PluginLoader({
      trustDomain: 'example.org',
      hostServices: [],
      environment: { PATH: '/usr/bin', NODE_OPTIONS: '--no-warnings', GIVEN: 'by the operator' },
      clock: systemClock,
      log: createLogger({ format: 'plain', level: 'debug', destination, clock: systemClock }),
      chance: () => 0.5,
      timeouts: { startMs: 2_000, configureMs: 2_000, deinitMs: 500, exitMs: 500 },
    })
  })
  afterEach(async () => {
    await loader[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it.each([
    ['quits', 'Unrecognized remote plugin message: '],
    ['silent', 'timeout while waiting for plugin to start'],
    ['endless-line', 'Unrecognized remote plugin message: the first line never ends'],
    ['wrong-version', 'incompatible API version with plugin. Plugin version: 9'],
    ['netrpc', 'unsupported plugin protocol "netrpc". Supported: [grpc]'],
    ['elsewhere', 'the plugin listens elsewhere than on this host: 192.0.2.1:80'],
  ])('that %s is not loaded, and its process is gone', async (how, why) => {
    await expect(load(how)).rejects.toMatchObject({
      code: 'ERR_PLUGIN_LOAD',
      message: expect.stringContaining(
        `failed to load plugin "hostile": failed to launch plugin: ${why}`,
      ),
      cause: { code: 'ERR_PLUGIN_HANDSHAKE' },
    })
    expect(childrenOf('plugins')).toEqual([])
  })

  it('that cannot be reached is not loaded', async () => {
    await expect(load('unreachable')).rejects.toMatchObject({ code: 'ERR_PLUGIN_LOAD' })
  })

  it('that hangs while it is configured is given up, and killed', async () => {
    await expect(load('hangs-in-configure')).rejects.toMatchObject({
      code: 'ERR_PLUGIN_CONFIG',
      message: expect.stringMatching(
        /^failed to configure plugin "hostile": rpc error: code = (DeadlineExceeded|Canceled)/,
      ),
    })
  })

  it('whose data file cannot be read, or whose type is another, is not loaded', async () => {
    const dataFile = join(folder, 'missing.conf')
    await expect(load('spy', { dataFile })).rejects.toMatchObject({
      message: `failed to configure plugin "hostile": failed to load plugin data: open ${dataFile}: no such file or directory`,
      cause: { code: 'ERR_PLUGIN_DATA' },
    })
    await expect(load('bundle-publisher', { type: 'BundlePublisher' })).rejects.toThrow(
      'failed to bind plugin "hostile": no supported plugin interface found in: ["spire.plugin.server.bundlepublisher.v1.BundlePublisher" "spire.service.common.config.v1.Config"]',
    )
  })

  it('that takes no configuration may have an empty plugin_data, and no other', async () => {
    const data = (text: string): Partial<PluginConfig> => ({ data: parseConfig(text) })
    expect(await load('not-configurable', data(''))).toBeInstanceOf(ExternalNodeAttestor)
    await expect(load('not-configurable', data('a = 1'))).rejects.toThrow(
      'failed to configure plugin "hostile": no supported configuration interface found',
    )
  })

  it('that is another program than its checksum says is not started', async () => {
    const wrong = createHash('sha256').update('another').digest('hex')
    await expect(load('spy', { checksum: wrong })).rejects.toMatchObject({
      message: 'failed to load plugin "hostile": failed to launch plugin: checksums did not match',
      cause: { code: 'ERR_PLUGIN_CHECKSUM' },
    })
    await expect(load('spy', { checksum: 'zz' })).rejects.toThrow('not a valid hex string')
    await expect(load('spy', { checksum: 'abcd' })).rejects.toThrow(
      'expected checksum of length 64; got 4',
    )
  })

  it('that is not there, or is no program, says so', async () => {
    const missing = join(folder, 'missing')
    await expect(load('spy', { command: missing })).rejects.toMatchObject({
      message: `failed to load plugin "hostile": failed to launch plugin: fork/exec ${missing}: no such file or directory`,
      cause: { code: 'ERR_PLUGIN_LAUNCH' },
    })
    const text = join(folder, 'text')
    copyFileSync(new URL(import.meta.url), text)
    await expect(load('spy', { command: text })).rejects.toThrow('permission denied')
    chmodSync(text, 0o755)
    await expect(load('spy', { command: text })).rejects.toThrow('exec format error')
  })

  it('runs as it was checked: what takes its place afterwards is not what runs', async () => {
    const own = join(folder, 'own')
    copyFileSync(program, own)
    const checksum = createHash('sha256').update(readFileSync(program)).digest('hex')
    const attestor = await load('spy', { command: own, checksum: checksum.toUpperCase() })
    rmSync(own)
    const { selectorValues } = await attestor.attest(Buffer.from('x'), context)
    expect(selectorValues).toContainEqual(expect.stringMatching(/^descriptor:4:\/memfd:own/))
  })

  it('inherits the environment of its daemon, and no descriptor', async () => {
    const attestor = await load('spy')
    const { selectorValues } = await attestor.attest(Buffer.from('x'), context)
    expect(selectorValues).toContain('environment:GIVEN=by the operator')
    expect(selectorValues).toContain('environment:NodeAttestor=NodeAttestor')
    expect(selectorValues.filter((value) => value.startsWith('environment:NODE_'))).toEqual([])
    const descriptors = selectorValues.filter((value) => value.startsWith('descriptor:'))
    const inherited = descriptors.filter(
      (value) => !/anon_inode|socket:|pipe:|\/sys\/fs\/cgroup|:$/.test(value),
    )
    expect(inherited).toEqual(['descriptor:0:/dev/null'])
  })

  it('whose answer is larger than anything it could have to say is refused, and goes on', async () => {
    const attestor = await load('huge-answer')
    await expect(attestor.attest(Buffer.from('x'), context)).rejects.toMatchObject({
      kind: 'resource-exhausted',
    })
  })

  it('whose answer says nothing is refused', async () => {
    const attestor = await load('liar')
    await expect(attestor.attest(Buffer.from('x'), context)).rejects.toMatchObject({
      code: 'ERR_PLUGIN_RESPONSE',
      message: 'nodeattestor(hostile): plugin response missing challenge or agent attributes',
    })
  })

  it.each(['floods-stdout', 'floods-stderr'])('that %s is still served', async (how) => {
    const attestor = await load(how)
    const { agentId } = await attestor.attest(Buffer.from('x'), context)
    expect(agentId).toBe('spiffe://example.org/spire/agent/hostile/one')
  })

  it('that dies in a call fails it, and is started again', async () => {
    const attestor = await load('dies-in-call')
    await expect(attestor.attest(Buffer.from('x'), context)).rejects.toMatchObject({
      kind: 'unavailable',
    })
    await until(() => lines.some((line) => line.includes('plugin process exited')))
    await expect(attestor.attest(Buffer.from('x'), context)).rejects.toMatchObject({
      code: 'ERR_PLUGIN_STOPPED',
    })
    await until(() => lines.some((line) => line.includes('Plugin restarted')))
    await expect(attestor.attest(Buffer.from('x'), context)).rejects.toMatchObject({
      code: 'ERR_PLUGIN_CALL',
    })
  })

  it('that does not end is killed, and leaves nothing behind', async () => {
    await load('hangs-in-deinit')
    const [[pid = ''] = []] = childrenOf('plugins')
    expect(pid).not.toBe('')
    await loader[Symbol.asyncDispose]()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    expect(lines.join('')).toContain('Failed to deinitialize plugin')
  })
})

/** The arguments of this process's children that run a program of that name, by their process IDs. */
function childrenOf(name: string): readonly (readonly [pid: string, command: string])[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim()
  return children.split(' ').flatMap((pid) => {
    const command = pid === '' ? '' : readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return command.split('\0')[0]?.endsWith(`/${name}`) ? [[pid, command] as const] : []
  })
}
