import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { numberIn, objectIn, stringIn, stringMap, stringsIn } from '@mini-spire/runtime/json-fields'
import { SpiffeError } from '@mini-spire/sdk/errors'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'

/** What an engine says of a container. */
export interface Container {
  /** The process ID of its first process, on the engine's machine; 0: not running. */
  readonly mainPid: number
  readonly labels: ReadonlyMap<string, string>
  /** `NAME=value` each. */
  readonly environment: readonly string[]
  /** As it was given when the container was made: a name, a tag or a digest; empty: unknown. */
  readonly image: string
}

/** Options of {@link ContainerEngine}. */
export interface ContainerEngineOptions {
  readonly http: HttpClient
  /** `unix:///…` or `tcp://host:port` */
  readonly address: string
  /** Such as `1.45`; empty: the engine's own. */
  readonly version: string
}

const maxAnswerBytes = 4 * 1024 * 1024
const timeoutMs = 10_000

/** Why an engine's address is refused, or undefined. */
export function addressProblem(address: string): string | undefined {
  if (/^unix:\/\/.+/.test(address)) return undefined
  if (/^tcp:\/\/[^/]+$/.test(address)) return undefined
  return `unable to parse docker host ${JSON.stringify(address)}: unix:///path and tcp://host:port are known`
}

/** Docker's API, or Podman's, which speaks it too: what it says of containers and images. */
export class ContainerEngine {
  readonly #options: ContainerEngineOptions

  constructor(options: ContainerEngineOptions) {
    this.#options = options
  }

  /** @throws {WorkloadAttestorError} `ERR_WORKLOAD_ENGINE` */
  async inspectContainer(id: string, signal: AbortSignal): Promise<Container> {
    const answer = await this.#get(`/containers/${encodeURIComponent(id)}/json`, signal)
    const config = objectIn(answer, 'Config')
    return {
      mainPid: numberIn(objectIn(answer, 'State'), 'Pid'),
      labels: stringMap(objectIn(config, 'Labels')),
      environment: stringsIn(config, 'Env'),
      image: stringIn(config, 'Image'),
    }
  }

  /**
   * The digest of an image's configuration, `sha256:…`.
   *
   * @throws {WorkloadAttestorError} `ERR_WORKLOAD_ENGINE`
   */
  async findImageId(image: string, signal: AbortSignal): Promise<string> {
    // The slashes of a name are part of the engine's path.
    const path = image.split('/').map(encodeURIComponent).join('/')
    return stringIn(await this.#get(`/images/${path}/json`, signal), 'Id')
  }

  async #get(path: string, signal: AbortSignal): Promise<unknown> {
    const { http, address, version } = this.#options
    const versioned = version === '' ? path : `/v${version}${path}`
    const socket = address.startsWith('unix://') ? address.slice('unix://'.length) : undefined
    const host = socket === undefined ? address.slice('tcp://'.length) : 'localhost'
    const request = { url: `http://${host}${versioned}`, timeoutMs, maxBytes: maxAnswerBytes }
    try {
      const { status, body } = await http.request({
        ...request,
        signal,
        ...(socket === undefined ? {} : { unixSocket: socket }),
      })
      const answer: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
      if (status === 200) return answer
      const why = stringIn(answer, 'message').slice(0, 256)
      throw failed(`Error response from daemon: ${why || `status ${status}`}`)
    } catch (cause) {
      if (cause instanceof WorkloadAttestorError) throw cause
      if (cause instanceof SpiffeError) {
        throw failed(
          `Cannot connect to the container engine at ${address}: ${cause.message}`,
          cause,
        )
      }
      throw failed(
        `the container engine at ${address} answered with something else than JSON`,
        cause,
      )
    }
  }
}

function failed(message: string, cause?: unknown): WorkloadAttestorError {
  return new WorkloadAttestorError('docker', 'ERR_WORKLOAD_ENGINE', message, { cause })
}
