import { X509Certificate } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer as createPlain, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpScene, issue, type NamedCertificate } from '@mini-spire/runtime/http/http.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FakeProc } from '../container/proc.test-kit.ts'
import { workloadAttestorBuiltIns } from '../create-attestor.ts'
import { workloadAttestorContract } from '../workload-attestor.contract.ts'
import { K8sAttestor, type K8sAttestorOptions } from './k8s.ts'
import { readK8sConfig } from './k8s-config.ts'
import { Kubelet, type KubeletOptions } from './kubelet.ts'
import { readOldContainerPath } from './legacy-container-locator.ts'
import { type Pod, parsePodList } from './pod.ts'

const uid = '00000000-1111-2222-3333-444444444444'
const [id, initId, otherId] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
]
const workload = { pid: 7, uid: 0, gid: 0 }
const signal = new AbortController().signal

const podJson = {
  metadata: {
    uid,
    name: 'web-0',
    namespace: 'shop',
    labels: { app: 'web' },
    ownerReferences: [{ kind: 'StatefulSet', name: 'web', uid: 'owner-uid' }],
  },
  spec: { serviceAccountName: 'seller', nodeName: 'node-1' },
  status: {
    containerStatuses: [
      { name: 'app', containerID: `containerd://${id}`, image: 'web:1', imageID: 'web@sha256:12' },
      { name: 'starting', image: 'x', imageID: '' },
    ],
    initContainerStatuses: [
      { name: 'init', containerID: `containerd://${initId}`, image: 'i:1', imageID: 'i:1' },
    ],
  },
}
const list = (...items: readonly unknown[]): string => JSON.stringify({ kind: 'PodList', items })
const pods = (...items: readonly unknown[]): ReadonlyMap<string, Pod> =>
  parsePodList(list(...items))

const podValues = [
  'sa:seller',
  'ns:shop',
  'node-name:node-1',
  `pod-uid:${uid}`,
  'pod-name:web-0',
  'pod-image-count:2',
  'pod-init-image-count:1',
  'pod-image:web@sha256:12',
  'pod-image:web:1',
  'pod-image:',
  'pod-image:x',
  'pod-init-image:i:1',
  'pod-label:app:web',
  'pod-owner:StatefulSet:web',
  'pod-owner-uid:StatefulSet:owner-uid',
]
const appValues = ['container-name:app', 'container-image:web@sha256:12', 'container-image:web:1']

let proc: FakeProc
let clock: FakeClock
beforeEach(() => {
  proc = new FakeProc()
  clock = new FakeClock()
  proc.put(7, [`0::/kubepods/pod${uid}/${id}`])
})
afterEach(() => proc[Symbol.dispose]())

function attestor(options: Partial<K8sAttestorOptions> = {}): K8sAttestor {
  return new K8sAttestor({
    fetchPods: () => Promise.resolve(pods(podJson)),
    fetchNamespaceLabels: undefined,
    brokers: undefined,
    openCluster: () => Promise.reject(new Error('no cluster')),
    maxPollAttempts: 3,
    pollIntervalMs: 500,
    omitsContainerSelectors: false,
    usesOldLocator: false,
    isVerbose: false,
    procPath: proc.path,
    clock,
    log: silentLogger,
    ...options,
  })
}

async function values(options?: Partial<K8sAttestorOptions>): Promise<readonly string[]> {
  using k8s = attestor(options)
  return (await k8s.attest(workload, signal)).map(({ value }) => value)
}

/** Lets time pass until a promise is settled. */
async function passing<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false
  const done = promise.finally(() => {
    isSettled = true
  })
  done.catch(() => {})
  while (!isSettled) {
    clock.advance(500)
    await new Promise(setImmediate)
  }
  return await done
}

workloadAttestorContract({ describe, it, expect }, 'k8s', () => {
  proc.put(8, ['0::/user.slice'])
  return { attestor: attestor(), workload, stranger: { ...workload, pid: 8 } }
})

describe('k8s', () => {
  it('describes pod and container of a process', async () => {
    expect(await values()).toEqual([...podValues, ...appValues])
    proc.put(7, [`0::/kubepods/pod${uid}/${initId}`])
    expect(await values()).toEqual([...podValues, 'container-name:init', 'container-image:i:1'])
  })

  it('finds the pod by the container where the group does not name it', async () => {
    proc.put(7, [`0::/crio-${id}.scope`])
    expect(await values()).toEqual([...podValues, ...appValues])
    const twin = { ...podJson, metadata: { ...podJson.metadata, uid: 'twin' } }
    await expect(values({ fetchPods: async () => pods(podJson, twin) })).rejects.toThrow(
      'workloadattestor(k8s): two pods found with same container Id',
    )
  })

  it('looks only into the pod that the group names', async () => {
    const other = { ...podJson, metadata: { ...podJson.metadata, uid: uid.replace('1', '9') } }
    const search = values({ fetchPods: async () => pods(other), maxPollAttempts: 2 })
    await expect(passing(search)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_NOT_FOUND',
        kind: 'deadline-exceeded',
        message: 'workloadattestor(k8s): no selectors found after max poll attempts',
      }),
    )
  })

  it('says nothing of a process in no container', () => {
    proc.put(7, ['0::/system.slice/sshd.service'])
    expect(attestor().attest(workload, signal)).toEqual([])
  })

  it('waits for a container that the kubelet does not list yet', async () => {
    const lists = [pods(), pods(), pods(podJson)]
    const search = values({ fetchPods: async () => lists.shift() ?? pods() })
    expect(await passing(search)).toContain('container-name:app')
  })

  it('goes on when the kubelet fails, and gives up with its reason', async () => {
    let attempts = 0
    const failsAt = (last: number) => async (): Promise<ReadonlyMap<string, Pod>> => {
      if (++attempts <= last) throw new Error('the kubelet is away')
      return pods(podJson)
    }
    expect(await passing(values({ fetchPods: failsAt(2) }))).toContain('container-name:app')
    attempts = 0
    await expect(passing(values({ fetchPods: failsAt(3) }))).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_ENGINE',
        kind: 'unavailable',
        message: 'workloadattestor(k8s): the kubelet is away',
      }),
    )
  })

  it('leaves container selectors out where told, and then does without the container', async () => {
    expect(await values({ omitsContainerSelectors: true })).toEqual(podValues)
    proc.put(7, [`0::/kubepods/pod${uid}/${otherId}`])
    expect(await values({ omitsContainerSelectors: true })).toEqual(podValues)
    proc.put(7, [`0::/crio-${otherId}.scope`])
    const search = values({ omitsContainerSelectors: true, maxPollAttempts: 1 })
    await expect(search).rejects.toThrow('no selectors found')
  })

  it('gives a debugging container nothing of its pod, unless pod selectors are all that is asked for', async () => {
    const status = {
      name: 'debug',
      containerID: `containerd://${otherId}`,
      image: 'd',
      imageID: 'd',
    }
    const debugged = {
      ...podJson,
      status: { ...podJson.status, ephemeralContainerStatuses: [status] },
    }
    proc.put(7, [`0::/kubepods/pod${uid}/${otherId}`])
    const fetchPods = async (): Promise<ReadonlyMap<string, Pod>> => pods(debugged)
    await expect(values({ fetchPods, maxPollAttempts: 1 })).rejects.toThrow('no selectors found')
    expect(await values({ fetchPods, omitsContainerSelectors: true })).toEqual(podValues)
  })

  it('takes image IDs as the kubelet writes them, and each once', async () => {
    const image = 'docker.io/library/web:1'
    const imageID = `docker-pullable://web@sha256:${'1'.repeat(64)}`
    const status = { name: 'app', containerID: `docker://${id}`, image, imageID }
    const pod = { ...podJson, status: { containerStatuses: [status, { ...status, name: 'b' }] } }
    const found = await values({ fetchPods: async () => pods(pod) })
    expect(found.filter((value) => value.includes('image'))).toEqual([
      'pod-image-count:2',
      'pod-init-image-count:0',
      `pod-image:${imageID}`,
      `pod-image:${image}`,
      `container-image:${imageID}`,
      `container-image:${image}`,
    ])
  })

  it('adds the labels of the namespace where told', async () => {
    const fetchNamespaceLabels = async (): Promise<ReadonlyMap<string, string>> =>
      new Map([['tier', 'gold']])
    expect(await values({ fetchNamespaceLabels })).toContain('ns-label:tier:gold')
    const fails = (): Promise<never> => Promise.reject(new Error('namespaces "shop" is forbidden'))
    await expect(values({ fetchNamespaceLabels: fails })).rejects.toThrow(
      'unable to get namespace labels for "shop": namespaces "shop" is forbidden',
    )
  })

  it('attests nobody without a kubelet', () => {
    expect(() => attestor({ fetchPods: undefined }).attest(workload, signal)).toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_DISABLED',
        message: 'workloadattestor(k8s): kubelet client is disabled',
      }),
    )
  })

  it('shares one request among all who ask, one per interval', async () => {
    let requests = 0
    using k8s = attestor({
      fetchPods: async () => {
        requests++
        return pods(podJson)
      },
    })
    const ask = async (): Promise<unknown> => await k8s.attest(workload, signal)
    await Promise.all(Array.from({ length: 100 }, ask))
    await ask()
    expect(requests).toBe(1)
    clock.advance(500)
    await Promise.all([ask(), ask()])
    expect(requests).toBe(2)
  })

  it('ends waiting when it is closed', async () => {
    const k8s = attestor({ fetchPods: async () => pods() })
    const search = Promise.resolve(k8s.attest(workload, signal))
    search.catch(() => {})
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    k8s[Symbol.dispose]()
    await expect(search).rejects.toThrow('pod list fetcher is closed')
  })
})

describe('a pod list', () => {
  it.each([
    ['[]', 'invalid kubelet response: expected an object'],
    ['null', 'invalid kubelet response: expected an object'],
    ['{}', 'invalid kubelet response: expected an items array'],
    ['{"items":{}}', 'invalid kubelet response: expected an items array'],
    ['{', 'unable to parse kubelet response: '],
  ])('%s is refused', (text, message) => {
    expect(() => parsePodList(text)).toThrow(message)
  })

  it('may be empty, and pods of any shape do no harm', () => {
    expect(parsePodList('{"items":null}').size).toBe(0)
    const odd = [1, null, {}, { metadata: { uid: 5 } }, { metadata: { uid: 'u' }, status: [] }]
    expect([...pods(...odd).keys()]).toEqual(['u'])
  })
})

describe('the old locator', () => {
  it.each([
    [`/kubepods/burstable/pod${uid}/${id}`, uid, id],
    [`/kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice:cri-containerd:${id}`, uid, id],
    [`/../../pod${uid}/${id}`, uid, id],
    [`/../crio-${id}.scope`, '', id],
    [`/docker/${id}`, '', ''],
    [`/kubepods/pod${uid}/${id}/sub`, '', ''],
  ])('reads %s', (path, podUid, containerId) => {
    expect(readOldContainerPath(path)).toEqual({ podUid, containerId })
  })

  it('serves an attestor that is told to', async () => {
    expect(await values({ usesOldLocator: true })).toContain('container-name:app')
    proc.put(7, [`1:cpu:/pod${uid}/${id}`, `0::/pod${uid}/${otherId}`])
    expect(() => attestor({ usesOldLocator: true }).attest(workload, signal)).toThrow(
      `multiple container IDs found in cgroups (${id}, ${otherId})`,
    )
  })
})

describe('the kubelet', () => {
  let server: NamedCertificate
  let stranger: NamedCertificate
  const scene = new HttpScene()
  beforeAll(async () => {
    server = await issue('node-1.test')
    stranger = await issue('node-1.test')
  })
  afterAll(() => scene.close())

  const http = new HttpClient({ environment: {}, clock: systemClock })
  type Handler = (request: IncomingMessage, response: ServerResponse) => void
  const serves: Handler = (_, response) => response.end(list(podJson))

  async function open(
    options: Partial<KubeletOptions>,
    handler: Handler = serves,
    tls: ServerOptions = {},
  ): Promise<Kubelet> {
    const made = createServer({ key: server.key, cert: server.cert, ...tls }, handler)
    return await Kubelet.open({
      http,
      clock,
      port: await scene.listen(made),
      isSecure: true,
      nodeName: '',
      caPath: put('ca.crt', server.root),
      credential: { kind: 'anonymous' },
      reloadIntervalMs: 60_000,
      ...options,
    })
  }

  function put(name: string, text: string): string {
    const path = join(proc.path, name)
    writeFileSync(path, text)
    return path
  }

  it('is believed by its authority; its name counts when we know it', async () => {
    expect((await (await open({})).fetchPods()).size).toBe(1)
    await expect((await open({ nodeName: 'localhost' })).fetchPods()).rejects.toThrow(
      /^unable to perform request: .*localhost/,
    )
    const foreign = await open({ caPath: put('other.crt', stranger.root) })
    await expect(foreign.fetchPods()).rejects.toThrow('unknown authority')
    expect((await (await open({ caPath: undefined })).fetchPods()).size).toBe(1)
  })

  it('gets our token, read anew after the interval', async () => {
    const seen: unknown[] = []
    const kubelet = await open(
      { credential: { kind: 'token', path: put('token', 'first\n') } },
      (request, response) => {
        seen.push(request.headers.authorization)
        serves(request, response)
      },
    )
    await kubelet.fetchPods()
    put('token', 'second')
    await kubelet.fetchPods()
    clock.advance(60_000)
    await kubelet.fetchPods()
    expect(seen).toEqual(['Bearer first', 'Bearer first', 'Bearer second'])
  })

  it('is asked with the token as it was read last, and not at all while there is none to read', async () => {
    const path = put('token', 'first')
    const seen: unknown[] = []
    const kubelet = await open({ credential: { kind: 'token', path } }, (request, response) => {
      seen.push(request.headers.authorization)
      serves(request, response)
    })
    rmSync(path)
    await kubelet.fetchPods()
    clock.advance(60_000)
    await expect(kubelet.fetchPods()).rejects.toThrow('unable to load token: ')
    await expect(kubelet.fetchPods()).rejects.toThrow('unable to load token: ')
    put('token', 'second')
    await kubelet.fetchPods()
    expect(seen).toEqual(['Bearer first', 'Bearer second'])
  })

  it('is believed by the authority, and gets the certificate, that were read last', async () => {
    const credential = {
      kind: 'certificate',
      certificatePath: put('client.crt', server.cert),
      keyPath: put('client.key', server.key),
    } as const
    const seen: unknown[] = []
    const options = { requestCert: true, ca: [server.root, stranger.root] }
    const kubelet = await open(
      { credential },
      (request, response) => {
        seen.push((request.socket as TLSSocket).getPeerX509Certificate()?.serialNumber)
        serves(request, response)
      },
      options,
    )
    await kubelet.fetchPods()
    put('client.crt', stranger.cert)
    put('client.key', stranger.key)
    clock.advance(60_000)
    await kubelet.fetchPods()
    const serials = [server, stranger].map(({ cert }) => new X509Certificate(cert).serialNumber)
    expect(seen).toEqual(serials)
    put('ca.crt', stranger.root)
    clock.advance(60_000)
    await expect(kubelet.fetchPods()).rejects.toThrow('unknown authority')
    put('ca.crt', `${stranger.root}${server.root}`)
    clock.advance(60_000)
    expect((await kubelet.fetchPods()).size).toBe(1)
  })

  it('gets our certificate', async () => {
    const credential = {
      kind: 'certificate',
      certificatePath: put('client.crt', server.cert),
      keyPath: put('client.key', server.key),
    } as const
    const kubelet = await open({ credential }, serves, { requestCert: true, ca: server.root })
    expect((await kubelet.fetchPods()).size).toBe(1)
  })

  it('is read without TLS on its other port', async () => {
    const port = await scene.listen(createPlain(serves))
    expect((await (await open({ port, isSecure: false })).fetchPods()).size).toBe(1)
  })

  it('is quoted, shortly, when it refuses', async () => {
    const kubelet = await open({}, (_, response) => {
      response.writeHead(401).end('Unauthorized'.repeat(1000))
    })
    const error = await kubelet.fetchPods().catch(String)
    expect(error).toContain('unexpected status code on pods response: 401 Unauthorized')
    expect(String(error).length).toBeLessThan(1200)
  })

  it.each([
    ['no CA', { caPath: '/missing' }, 'unable to load kubelet CA: '],
    ['no token', { credential: { kind: 'token', path: '/missing' } }, 'unable to load token: '],
  ] as const)('is not configured with %s', async (_, options, message) => {
    await expect(open(options)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_PLUGIN_CONFIG',
        message: expect.stringContaining(message),
      }),
    )
    await expect(open({ caPath: put('bad', 'x') })).rejects.toThrow('unable to parse kubelet CA')
  })
})

const brokers = (list: string, policy = 'access_policy = "permissive"'): string =>
  `experimental { broker { ${policy} brokers = [${list}] } }`

describe('the configuration of k8s', () => {
  it('says which brokers may name pods of this node, or of the cluster', () => {
    const list =
      '{ id = "spiffe://o.p/a" }, { id = "spiffe://o.p/b", pod_reference_scope = "cluster" }'
    const { attestor: read } = readK8sConfig(
      parseConfig(brokers(list, 'access_policy = "enforced"')),
      {},
    )
    expect(read.brokers).toEqual({
      isEnforced: true,
      scopes: new Map([
        ['spiffe://o.p/a', 'agent_node'],
        ['spiffe://o.p/b', 'cluster'],
      ]),
    })
  })

  const read = (text: string, environment: Record<string, string> = {}): unknown =>
    readK8sConfig(parseConfig(text), environment)

  it('has SPIRE’s defaults', () => {
    expect(read('')).toMatchObject({
      kubelet: {
        port: 10_250,
        isSecure: true,
        nodeName: '',
        caPath: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
        credential: { kind: 'token', path: '/var/run/secrets/kubernetes.io/serviceaccount/token' },
        reloadIntervalMs: 60_000,
      },
      readsNamespaceLabels: false,
      attestor: { maxPollAttempts: 60, pollIntervalMs: 500, usesOldLocator: false },
    })
    expect(read('', { MY_NODE_NAME: 'n1' })).toMatchObject({ kubelet: { nodeName: 'n1' } })
    expect(read('node_name_env = "N"', { N: 'n2' })).toMatchObject({ kubelet: { nodeName: 'n2' } })
    expect(read('node_name = "n3"')).toMatchObject({ kubelet: { nodeName: 'n3' } })
    expect(read('kubelet_read_only_port = 10255')).toMatchObject({
      kubelet: { port: 10_255, isSecure: false, credential: { kind: 'anonymous' } },
    })
    expect(read('disable_kubelet_client = true')).toMatchObject({ kubelet: undefined })
  })

  it.each([
    ['', []],
    ['experimental { api_server { cache {} } }', []],
    [
      'experimental { api_server { cache { enabled = true } } }',
      ['experimental.api_server.cache has no effect: the cluster is asked each time'],
    ],
  ])('warns of a cache that is asked for: %s', async (text, warnings) => {
    const lines: string[] = []
    const log = { ...silentLogger, warn: (line: string) => void lines.push(line) }
    const data = parseConfig(`kubelet_read_only_port = 10255 ${text}`)
    const http = new HttpClient({ environment: {}, clock })
    const surroundings = { http, clock, log, environment: {}, ownUid: 0 }
    const made = await workloadAttestorBuiltIns.get('k8s')?.(data, surroundings)
    expect(made).toMatchObject({ name: 'k8s' })
    expect(lines).toEqual(warnings)
  })

  it.each([
    [
      'kubelet_read_only_port = 1 kubelet_secure_port = 2',
      'cannot use both the read-only and secure port',
    ],
    ['certificate_path = "c"', 'the private key path is required with the certificate path'],
    ['private_key_path = "k"', 'the certificate path is required with the private key path'],
    [
      'poll_retry_interval = "1"',
      'unable to parse poll retry interval: time: missing unit in duration "1"',
    ],
    ['reload_interval = "x"', 'unable to parse reload interval: time: invalid duration "x"'],
    [
      'disable_kubelet_client = true node_name = "n"',
      'disable_kubelet_client cannot be used with node_name',
    ],
    ['bogus = 1 also = 2', 'unknown configurations detected: also,bogus'],
    ['sigstore { allowed_identities = {} }', 'sigstore is not supported'],
    [
      brokers('', 'access_policy = ""'),
      'experimental.broker.access_policy: must be specified as one of [permissive, enforced]',
    ],
    [
      brokers('', 'access_policy = "some"'),
      'experimental.broker.access_policy: unsupported value "some"; must be one of [permissive, enforced]',
    ],
    [brokers(''), 'experimental.broker.brokers: at least one broker is required'],
    [brokers('{ id = "" }'), 'experimental.broker.brokers[0].id: must be specified'],
    [brokers('{ id = "x" }'), 'experimental.broker.brokers[x].id: scheme is missing or invalid'],
    [
      brokers('{ id = "spiffe://o.p/b" }, { id = "spiffe://o.p/b" }'),
      'experimental.broker.brokers[spiffe://o.p/b].id: duplicate broker id',
    ],
    [
      brokers('{ id = "spiffe://o.p/b", pod_reference_scope = "node" }'),
      'experimental.broker.brokers[spiffe://o.p/b].pod_reference_scope: unsupported value "node"; must be one of [agent_node, cluster]',
    ],
    [
      `disable_kubelet_client = true ${brokers('{ id = "spiffe://o.p/b" }')}`,
      'experimental.broker.brokers[spiffe://o.p/b].pod_reference_scope must be "cluster" when disable_kubelet_client is true',
    ],
    [brokers('{ id = "spiffe://o.p/b", extra = 1 }'), 'unknown configurations detected: extra'],
    [
      brokers('{ id = "spiffe://o.p/b" }', 'access_policy = "enforced" more = 1'),
      'unknown configurations detected: more',
    ],
  ])('refuses %s', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
})
