import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import type { Clock } from '@mini-spire/runtime/clock'
import type { HttpClient, HttpRequest } from '@mini-spire/runtime/http/http-client'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate, pemDecode, verifyChain } from '@mini-spire/sdk/x509'
import { type Pod, parsePodList } from './pod.ts'

/** How the kubelet is reached, and as whom. */
export interface KubeletOptions {
  readonly http: HttpClient
  readonly clock: Clock
  readonly port: number
  /** Whether this is the port with TLS; the other one is read without any check. */
  readonly isSecure: boolean
  /** Host name of the node, which its certificate must then bear; empty: this machine. */
  readonly nodeName: string
  /** PEM file; undefined: any certificate will do. */
  readonly caPath: string | undefined
  readonly credential:
    | { readonly kind: 'anonymous' }
    | { readonly kind: 'token'; readonly path: string }
    | { readonly kind: 'certificate'; readonly certificatePath: string; readonly keyPath: string }
  /** How long files that were read count. */
  readonly reloadIntervalMs: number
}

const timeoutMs = 10_000
const maxAnswerBytes = 64 * 1024 * 1024
const maxEchoLength = 1024
const serverAuth = '1.3.6.1.5.5.7.3.1'
const anyExtendedKeyUsage = '2.5.29.37.0'

/** The kubelet of this node. Its authority and our credentials are read from files, and read again from time to time. */
export class Kubelet {
  readonly #options: KubeletOptions
  #request: HttpRequest
  #loadedMs: number

  private constructor(options: KubeletOptions, request: HttpRequest) {
    this.#options = options
    this.#request = request
    this.#loadedMs = options.clock.nowMs()
  }

  /** @throws {CatalogError} `ERR_PLUGIN_CONFIG` when a file cannot be used */
  static async open(options: KubeletOptions): Promise<Kubelet> {
    return new Kubelet(options, await loadRequest(options))
  }

  /**
   * The pods of this node.
   *
   * @throws {Error} when the kubelet does not say
   */
  async fetchPods(): Promise<ReadonlyMap<string, Pod>> {
    const { http, clock, reloadIntervalMs } = this.#options
    if (clock.nowMs() >= this.#loadedMs + reloadIntervalMs) {
      this.#request = await loadRequest(this.#options)
      this.#loadedMs = clock.nowMs()
    }
    const { status, body } = await http.request(this.#request).catch((cause: unknown) => {
      throw new Error(`unable to perform request: ${messageOf(cause)}`, { cause })
    })
    const text = Buffer.from(body).toString('utf8')
    if (status === 200) return parsePodList(text)
    const said = text.slice(0, maxEchoLength)
    throw new Error(`unexpected status code on pods response: ${status} ${said}`)
  }
}

async function loadRequest(options: KubeletOptions): Promise<HttpRequest> {
  const { port, isSecure, nodeName, credential } = options
  const common = { timeoutMs, maxBytes: maxAnswerBytes, proxy: 'none' } as const
  if (!isSecure) return { ...common, url: `http://127.0.0.1:${port}/pods` }
  const host = isIPv6(nodeName) ? `[${nodeName}]` : nodeName || '127.0.0.1'
  const request = { ...common, url: `https://${host}:${port}/pods`, ...(await loadTrust(options)) }
  switch (credential.kind) {
    case 'anonymous':
      return request
    case 'token': {
      const token = (await load('token', credential.path)).trim()
      return { ...request, headers: { authorization: `Bearer ${token}` } }
    }
    case 'certificate': {
      const chain = await load('certificate', credential.certificatePath)
      const key = await load('private key', credential.keyPath)
      return { ...request, clientCertificate: { chain, key } }
    }
    default:
      return credential satisfies never
  }
}

async function loadTrust({
  caPath,
  nodeName,
  clock,
}: KubeletOptions): Promise<Pick<HttpRequest, 'roots' | 'verifyServer'>> {
  if (caPath === undefined) return { verifyServer: () => {} }
  const pem = await load('kubelet CA', caPath)
  const roots = parseRoots(pem)
  if (nodeName !== '') return { roots: [pem] }
  // This machine's own kubelet has no name that we know: its chain is checked, its name is not.
  return {
    verifyServer: (raw) => {
      const chain = raw.map(parseCertificate)
      verifyChain({ chain, roots, now: clock.now() })
      const usages = chain[0]?.extKeyUsage ?? []
      const servesTls = usages.some((usage) => [serverAuth, anyExtendedKeyUsage].includes(usage))
      if (usages.length > 0 && !servesTls) {
        throw new Error('x509: certificate specifies an incompatible key usage')
      }
    },
  }
}

function parseRoots(pem: string): ReturnType<typeof parseCertificate>[] {
  try {
    const roots = pemDecode(pem, 'CERTIFICATE').map(parseCertificate)
    if (roots.length === 0) throw new Error('no PEM blocks')
    return roots
  } catch (cause) {
    const message = `unable to parse kubelet CA: ${messageOf(cause)}`
    throw new CatalogError('ERR_PLUGIN_CONFIG', message, { cause })
  }
}

async function load(what: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const message = `unable to load ${what}: ${messageOf(cause)}`
    throw new CatalogError('ERR_PLUGIN_CONFIG', message, { cause })
  }
}
