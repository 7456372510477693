import type { Clock } from '@mini-spire/runtime/clock'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { stringIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import { failed } from '../attestor-errors.ts'
import type { AzureApplication } from '../azure-credentials.ts'
import { AzureManagement } from '../azure-management.ts'
import { AzureMachines } from './azure-machines.ts'

const timeoutMs = 10_000
const maxBytes = 256 * 1024

/** Options of {@link AzureTenant}. */
export interface AzureTenantOptions {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The name that the tenant is configured by. */
  readonly domain: string
  /** Who looks machines up; undefined: who the environment says. */
  readonly application: AzureApplication | undefined
  /** Tags that become selectors. */
  readonly vmTags: readonly string[]
  /** Empty: all of them. */
  readonly subscriptionIds: ReadonlySet<string>
}

/** A tenant whose machines may attest. Azure is not asked for its ID before an agent of it attests. */
export class AzureTenant {
  readonly vmTags: readonly string[]
  readonly #options: AzureTenantOptions
  #found: { readonly id: string; readonly machines: AzureMachines } | undefined

  constructor(options: AzureTenantOptions) {
    this.vmTags = options.vmTags
    this.#options = options
  }

  /** Whether machines of this subscription may attest. */
  allows(subscriptionId: string): boolean {
    const { subscriptionIds } = this.#options
    return subscriptionIds.size === 0 || subscriptionIds.has(subscriptionId)
  }

  /**
   * The tenant's ID, and what looks its machines up.
   *
   * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_FAILED` when Azure does not say
   */
  async find(
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly machines: AzureMachines }> {
    if (this.#found) return this.#found
    let id: string
    try {
      id = await this.#fetchId(signal)
    } catch (cause) {
      throw failed(`unable to lookup tenant ID: ${messageOf(cause)}`, cause)
    }
    const management = new AzureManagement({ ...this.#options, tenantId: id })
    this.#found = { id, machines: new AzureMachines(management) }
    return this.#found
  }

  async #fetchId(signal: AbortSignal): Promise<string> {
    const { http, domain } = this.#options
    const name = encodeURIComponent(domain)
    const { status, body } = await http.request({
      url: `https://login.microsoftonline.com/${name}/.well-known/openid-configuration`,
      timeoutMs,
      maxBytes,
      signal,
    })
    if (status !== 200) throw new Error(`failed to fetch tenant ID, status: ${status}`)
    const issuer = stringIn(parse(body), 'issuer')
    const [, id] = /^https:\/\/sts\.windows\.net\/([^/]+)\/$/.exec(issuer) ?? []
    if (id === undefined) throw new Error(`malformed tenant ID: ${quoteGo(issuer)}`)
    return id
  }
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (cause) {
    throw new Error('failed to unmarshal tenant ID: not JSON', { cause })
  }
}
