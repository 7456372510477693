import { chownSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeProc } from '../container/proc.test-kit.ts'
import { workloadAttestorBuiltIns } from '../create-attestor.ts'
import { workloadAttestorContract } from '../workload-attestor.contract.ts'
import { compileMatchers } from './container-id-matchers.ts'
import { DockerAttestor, type DockerAttestorOptions } from './docker.ts'
import { findPodmanSocket, templateProblem } from './podman-sockets.ts'

const id = '0123456789abcdef'.repeat(4)
const container = {
  State: { Pid: 8 },
  Config: { Labels: { team: 'a:b' }, Env: ['MODE=x', 'EMPTY='], Image: 'registry/web:1' },
}
const workload = { pid: 7, uid: 1000, gid: 1000 }
const signal = new AbortController().signal
const ownUid = process.geteuid?.() ?? -1

let proc: FakeProc
let engines: Server[]
beforeEach(() => {
  proc = new FakeProc()
  engines = []
})
afterEach(() => {
  for (const engine of engines) engine.close()
  proc[Symbol.dispose]()
})

type Answer = (request: IncomingMessage) => { readonly status?: number; readonly body: unknown }

/** An engine on a socket; answers `what` of the URL. */
async function engine(name: string, answer: Answer): Promise<string> {
  const path = join(proc.path, `${name}.sock`)
  const server = createServer((request, response) => {
    const { status = 200, body } = answer(request)
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  engines.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return `unix://${path}`
}

function attestor(options: Partial<DockerAttestorOptions> = {}): DockerAttestor {
  return new DockerAttestor({
    http: new HttpClient({ environment: {}, clock: systemClock }),
    clock: { ...systemClock, setTimer: (_, callback) => systemClock.setTimer(1, callback) },
    log: silentLogger,
    procPath: proc.path,
    dockerAddress: `unix://${proc.path}/docker.sock`,
    dockerVersion: '',
    podman: {
      rootful: `unix://${proc.path}/podman.sock`,
      rootlessTemplate: `unix://${proc.path}/%d.sock`,
    },
    findContainerId: undefined,
    isVerbose: false,
    ownUid,
    ...options,
  })
}

async function values(options?: Partial<DockerAttestorOptions>): Promise<readonly string[]> {
  const selectors = await attestor(options).attest(workload, signal)
  return selectors.map(({ type, value }) => `${type}:${value}`)
}

const knowsAll: Answer = ({ url }) =>
  url?.includes('/images/') ? { body: { Id: 'sha256:1234' } } : { body: container }

workloadAttestorContract({ describe, it, expect }, 'docker', async () => {
  await engine('docker', knowsAll)
  proc.put(7, [`0::/docker/${id}`])
  proc.put(8, ['0::/user.slice'])
  return { attestor: attestor(), workload, stranger: { ...workload, pid: 8 } }
})

describe('docker', () => {
  it('describes the container that a process runs in: labels, environment, image', async () => {
    const asked: string[] = []
    await engine('docker', (request) => {
      asked.push(request.url ?? '')
      return knowsAll(request)
    })
    proc.put(7, [`0::/docker/${id}`])
    expect(await values()).toEqual([
      'docker:label:team:a:b',
      'docker:env:MODE=x',
      'docker:env:EMPTY=',
      'docker:image_id:registry/web:1',
      'docker:image_config_digest:sha256:1234',
    ])
    expect(asked).toEqual([`/containers/${id}/json`, '/images/registry/web%3A1/json'])
  })

  it('speaks the API version that it is told', async () => {
    const asked: string[] = []
    await engine('docker', (request) => {
      asked.push(request.url ?? '')
      return knowsAll(request)
    })
    proc.put(7, [`0::/docker/${id}`])
    await values({ dockerVersion: '1.41' })
    expect(asked[0]).toBe(`/v1.41/containers/${id}/json`)
  })

  it('says nothing of a process in no container, and asks nobody', async () => {
    proc.put(7, ['0::/user.slice'])
    expect(attestor().attest(workload, signal)).toEqual([])
  })

  it('goes without the digest of an image that is gone, and without an image it does not know', async () => {
    await engine('docker', ({ url }) =>
      url?.includes('/images/')
        ? { status: 404, body: { message: 'No such image' } }
        : { body: container },
    )
    proc.put(7, [`0::/docker/${id}`])
    expect(await values()).not.toContainEqual(expect.stringContaining('image_config_digest'))
    const empty = await engine('second', () => ({ body: {} }))
    expect(await values({ dockerAddress: empty })).toEqual([])
  })

  it('asks four times for a container that the engine does not know yet', async () => {
    let asked = 0
    await engine('docker', (request) => {
      asked++
      return asked < 4 ? { status: 404, body: { message: 'No such container' } } : knowsAll(request)
    })
    proc.put(7, [`0::/docker/${id}`])
    expect(await values()).toContain('docker:env:MODE=x')
    asked = -100
    await expect(values()).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_ENGINE',
        message: 'workloadattestor(docker): Error response from daemon: No such container',
      }),
    )
    expect(asked).toBe(-96)
  })

  it.each([
    ['no engine', undefined, 'Cannot connect to the container engine at unix://'],
    ['garbage', 'not JSON', 'answered with something else than JSON'],
    ['an endless answer', 'x'.repeat(5_000_000), 'Cannot connect to the container engine'],
  ])('fails clearly with %s', async (_, body, message) => {
    if (body !== undefined) await engine('docker', () => ({ body }))
    proc.put(7, [`0::/docker/${id}`])
    await expect(values()).rejects.toThrow(message)
  })

  it('refuses a process that only has a group of the same name as a container', async () => {
    await engine('docker', knowsAll)
    proc.put(8, [`0::/docker/${id}`])
    proc.put(7, [`0::/user.slice/user-1000.slice/user@1000.service/${id}`])
    await expect(values()).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_CONTAINER_FORGED',
        message: `workloadattestor(docker): process 7 is not in the control group of container ${id}, only in one of the same name`,
      }),
    )
  })

  it('asks Podman for its containers: root’s, or those of a user', async () => {
    const rootless = `0::/user.slice/user-${ownUid}.slice/user@${ownUid}.service/libpod-${id}.scope`
    for (const [name, cgroup] of [
      ['podman', `0::/machine.slice/libpod-${id}.scope`],
      [String(ownUid), rootless],
    ] as const) {
      await engine(name, ({ url }) =>
        url?.includes('/images/') ? { body: {} } : { body: { Config: { Image: name } } },
      )
      proc.put(7, [cgroup])
      expect(await values()).toContain(`docker:image_id:${name}`)
    }
  })

  it('does not ask a Podman socket that belongs to somebody else', async () => {
    const address = await engine('4711', knowsAll)
    if (ownUid === 0) chownSync(address.slice('unix://'.length), 4713, 4713)
    proc.put(7, [`0::/user.slice/user-4711.slice/libpod-${id}.scope`])
    await expect(values({ ownUid: 4712 })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_CONTAINER_FORGED',
        message: expect.stringMatching(/belongs to user \d+, not to user 4711$/),
      }),
    )
  })

  it('finds containers by matchers where the operator gives some', async () => {
    await engine('docker', knowsAll)
    const findContainerId = compileMatchers(['/my.slice/*/<id>', '/other/<id>'])
    proc.put(7, [`0::/docker/${id}`])
    expect(await values({ findContainerId })).toEqual([])
    proc.put(7, ['1:cpu:/my.slice/a/short-id', '0::/my.slice/b/short-id'])
    expect(await values({ findContainerId })).toContain('docker:env:MODE=x')
    proc.put(7, ['1:cpu:/my.slice/a/one', '0::/my.slice/a/two'])
    expect(() => attestor({ findContainerId }).attest(workload, signal)).toThrow(
      'multiple container IDs found in cgroups (one, two)',
    )
    proc.put(7, ['0::/other/'])
    expect(() => attestor({ findContainerId }).attest(workload, signal)).toThrow(
      'a pattern matched, but no container id was found',
    )
  })
})

describe('container_id_cgroup_matchers', () => {
  it.each([
    [['/a/b'], 'pattern "/a/b" must contain the container id token "<id>" exactly once'],
    [['/<id>/<id>'], 'exactly once'],
    [
      ['/a/b/<id>', '/*/b/<id>'],
      'dockerfinder: patterns must not be ambiguous: ["/a/b/<id>" "/*/b/<id>"]',
    ],
    [['/a/<id>', '/a/<id>'], 'must not be ambiguous'],
  ])('%j is refused', (patterns, message) => {
    expect(() => compileMatchers(patterns)).toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_ATTESTOR_CONFIG',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('takes what is no token literally', () => {
    const find = compileMatchers(['/a.b/<id>', '/x/y/<id>'])
    expect(find('/a.b/1')).toBe('1')
    expect(find('/x/y/2')).toBe('2')
    expect(find('/aXb/1')).toBeUndefined()
    expect(find('/a.b/1/2')).toBeUndefined()
  })
})

describe('podman_socket_path_template', () => {
  it.each([
    ['unix:///run/user/%d/podman.sock', undefined],
    ['unix:///100%%/%d', undefined],
    ['unix:///run', 'template must contain exactly one %d UID placeholder'],
    ['/%d/%d', 'template must contain exactly one %d UID placeholder'],
    ['/%s', 'template only supports escaped %% or the %d UID placeholder'],
    ['/%d%', 'trailing % at end of template'],
  ])('%s: %s', (template, problem) => {
    expect(templateProblem(template)).toBe(problem)
  })

  it('is filled in with the user of the slice', () => {
    const sockets = { rootful: 'root', rootlessTemplate: '100%%/%d' }
    const warnings: unknown[] = []
    const log = { ...silentLogger, warn: (...line: unknown[]) => void warnings.push(line) }
    const find = (path: string): unknown =>
      findPodmanSocket([{ controllers: '', path }], sockets, log)
    expect(find('/user.slice/user-1000.slice/x/libpod-1.scope')).toEqual({
      address: '100%/1000',
      ownerUid: 1000,
    })
    expect(find('/libpod/x')).toMatchObject({ address: 'root' })
    expect(find('/docker/x')).toBeUndefined()
    expect(warnings).toEqual([])
    const cgroup_path = '/user.slice/user-99999999999.slice/libpod-1'
    expect(find(cgroup_path)).toMatchObject({ address: 'root' })
    expect(warnings).toEqual([
      [
        'Failed to parse rootless Podman UID from cgroup path, falling back to rootful Podman socket',
        { uid: '99999999999', cgroup_path },
      ],
    ])
  })
})

describe('the configuration of docker', () => {
  const create = (text: string): readonly unknown[] => {
    const lines: unknown[] = []
    const log = { ...silentLogger, warn: (line: string) => void lines.push(line) }
    const environment = { HOST_PROC: proc.path }
    const http = new HttpClient({ environment: {}, clock: systemClock })
    const surroundings = { http, clock: systemClock, log, environment, ownUid }
    const made = workloadAttestorBuiltIns.get('docker')?.(parseConfig(text), surroundings)
    expect(made).toMatchObject({ name: 'docker' })
    return lines
  }

  it('warns of matchers, which are to go', () => {
    expect(create('')).toEqual([])
    const matchers = 'container_id_cgroup_matchers = ["/x/<id>"] use_new_container_locator = false'
    expect(create(matchers)).toEqual([
      'Using the legacy container locator with custom cgroup matchers. This feature will be removed in a future release.',
    ])
  })
})
