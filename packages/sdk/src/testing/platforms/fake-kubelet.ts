import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeHost } from './fake-host.ts'

/** A container of a pod. */
export interface KubeletContainer {
  readonly name: string
  /** As in cgroups: 64 hexadecimal digits; left out: it has not started. */
  readonly id?: string
  readonly image: string
  /** @default the image */
  readonly imageId?: string
}

/** A pod of the node. */
export interface KubeletPod {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly nodeName: string
  readonly labels?: Readonly<Record<string, string>>
  readonly owners?: readonly {
    readonly kind: string
    readonly name: string
    readonly uid: string
  }[]
  readonly containers: readonly KubeletContainer[]
  readonly initContainers?: readonly KubeletContainer[]
}

/**
 * The kubelet of one node: it says which pods and containers run there, over TLS to who shows its token, and to everybody
 * on the port without TLS. Each port can be told to misbehave, by its `fault`.
 *
 * @example
 * await using kubelet = await FakeKubelet.start()
 * kubelet.pods.push({ uid: 'pod-uid', name: 'web-1', … })
 * const data = `kubelet_secure_port = ${kubelet.secure.port} kubelet_ca_path = "${kubelet.caPath}" token_path = "${kubelet.tokenPath}"`
 */
export class FakeKubelet implements AsyncDisposable {
  readonly pods: KubeletPod[] = []
  /** The port with TLS. */
  readonly secure: FakeHost
  /** The port without TLS. */
  readonly readOnly: FakeHost
  /** PEM file of whom clients must trust. */
  readonly caPath: string
  /** File with the token that is asked for. */
  readonly tokenPath: string
  readonly #folder: string
  #token = ''

  private constructor(folder: string, secure: FakeHost, readOnly: FakeHost) {
    this.#folder = folder
    this.secure = secure
    this.readOnly = readOnly
    this.caPath = join(folder, 'ca.crt')
    this.tokenPath = join(folder, 'token')
  }

  /** Starts it, until it is disposed. */
  static async start(): Promise<FakeKubelet> {
    let serve: RequestListener = () => undefined
    let check: RequestListener = () => undefined
    const { host, root } = await FakeHost.https('localhost', (...all) => check(...all))
    const readOnly = await FakeHost.http((...all) => serve(...all))
    const folder = await mkdtemp(join(tmpdir(), 'fake-kubelet-'))
    const made = new FakeKubelet(folder, host, readOnly)
    await writeFile(made.caPath, root)
    await made.rotateToken()
    serve = (request, response) => {
      const isPods = request.url === '/pods'
      response.writeHead(isPods ? 200 : 404, { 'content-type': 'application/json' })
      response.end(isPods ? JSON.stringify(made.#list()) : '')
    }
    check = (request, response) => {
      if (request.headers.authorization === `Bearer ${made.#token}`) serve(request, response)
      else response.writeHead(401).end('Unauthorized')
    }
    return made
  }

  /** Takes another token from now on, and writes it into the file. */
  async rotateToken(): Promise<void> {
    this.#token = randomBytes(16).toString('hex')
    await writeFile(this.tokenPath, this.#token)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.secure[Symbol.asyncDispose]()
    await this.readOnly[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #list(): object {
    return { kind: 'PodList', apiVersion: 'v1', items: this.pods.map(podObject) }
  }
}

function podObject(pod: KubeletPod): object {
  const { uid, name, namespace, labels, owners, serviceAccount, nodeName } = pod
  return {
    metadata: { uid, name, namespace, labels, ownerReferences: owners },
    spec: { serviceAccountName: serviceAccount, nodeName },
    status: {
      containerStatuses: pod.containers.map(statusObject),
      initContainerStatuses: pod.initContainers?.map(statusObject),
    },
  }
}

function statusObject({ name, id, image, imageId = image }: KubeletContainer): object {
  return { name, image, imageID: imageId, containerID: id && `containerd://${id}` }
}
