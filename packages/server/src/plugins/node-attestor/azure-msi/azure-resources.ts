import type { Clock } from '@mini-spire/runtime/clock'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { listIn, objectIn, stringIn } from '@mini-spire/runtime/json-fields'
import {
  type AzureCredentialOptions,
  type AzureToken,
  fetchAzureToken,
  fetchOwnSubscription,
} from './azure-credentials.ts'

const endpoint = 'https://management.azure.com'
const versions = { resources: '2021-04-01', compute: '2024-07-01', network: '2024-05-01' }
const timeoutMs = 10_000
const maxPages = 50
/** A token is not used in the last minutes of its life. */
const renewBeforeSeconds = 300

/** Options of {@link AzureResources}. */
export interface AzureResourcesOptions extends AzureCredentialOptions {
  readonly clock: Clock
  /** Empty: the subscription of the machine that this server runs on. */
  readonly subscriptionId: string
}

/** A resource, by its group and its name. */
export interface ResourceName {
  readonly group: string
  readonly name: string
}

/** What Azure's management API says of the virtual machines of one subscription. Every method throws when it says no. */
export class AzureResources {
  readonly #options: AzureResourcesOptions
  #subscriptionId: string
  #token: (AzureToken & { readonly renewAtMs: number }) | undefined

  constructor(options: AzureResourcesOptions) {
    this.#options = options
    this.#subscriptionId = options.subscriptionId
  }

  /** The subscription that is looked into. */
  async subscriptionId(signal: AbortSignal): Promise<string> {
    if (this.#subscriptionId === '') {
      this.#subscriptionId = await fetchOwnSubscription(this.#options, signal)
    }
    return this.#subscriptionId
  }

  /** The resource ID of the one virtual machine that has this managed identity. */
  async findVirtualMachineId(principalId: string, signal: AbortSignal): Promise<string> {
    const principal = principalId.replaceAll("'", "''")
    const filter = `resourceType eq 'Microsoft.Compute/virtualMachines' and identity/principalId eq '${principal}'`
    const query = new URLSearchParams({ $filter: filter, 'api-version': versions.resources })
    const subscription = encodeURIComponent(await this.subscriptionId(signal))
    const found: unknown[] = []
    let url = `${endpoint}/subscriptions/${subscription}/resources?${query}`
    for (let pages = 0; url !== ''; pages++) {
      if (pages === maxPages) throw new Error('too many pages of resources')
      const page = await this.#get(url, signal)
      found.push(...listIn(page, 'value'))
      if (found.length > 1) {
        throw new Error(`expected one result for principal ${quoteGo(principalId)} at most`)
      }
      url = nextPage(page)
    }
    if (found.length === 0) throw new Error(`principal ${quoteGo(principalId)} not found`)
    const id = stringIn(found[0], 'id')
    if (id === '') throw new Error('virtual machine resource missing ID')
    return id
  }

  async getVirtualMachine(machine: ResourceName, signal: AbortSignal): Promise<unknown> {
    const url = await this.#url(machine, 'Microsoft.Compute/virtualMachines', signal)
    return await this.#get(`${url}?api-version=${versions.compute}`, signal)
  }

  async getNetworkInterface(card: ResourceName, signal: AbortSignal): Promise<unknown> {
    const url = await this.#url(card, 'Microsoft.Network/networkInterfaces', signal)
    return await this.#get(`${url}?api-version=${versions.network}`, signal)
  }

  async #url({ group, name }: ResourceName, type: string, signal: AbortSignal): Promise<string> {
    const subscription = await this.subscriptionId(signal)
    const [inside, folder, last] = [subscription, group, name].map(encodeURIComponent)
    return `${endpoint}/subscriptions/${inside}/resourceGroups/${folder}/providers/${type}/${last}`
  }

  async #get(url: string, signal: AbortSignal): Promise<unknown> {
    const headers = { authorization: `Bearer ${await this.#accessToken(signal)}` }
    const { http } = this.#options
    const { status, body } = await http.request({ url, headers, timeoutMs, signal })
    const answer = parse(body)
    if (status === 200) return answer
    const error = objectIn(answer, 'error')
    throw new Error(`error ${status}: ${stringIn(error, 'code')}: ${stringIn(error, 'message')}`)
  }

  async #accessToken(signal: AbortSignal): Promise<string> {
    const nowMs = this.#options.clock.nowMs()
    if (this.#token && nowMs < this.#token.renewAtMs) return this.#token.value
    const token = await fetchAzureToken(this.#options, signal)
    this.#token = { ...token, renewAtMs: nowMs + (token.lifeSeconds - renewBeforeSeconds) * 1000 }
    return token.value
  }
}

/** Where the list goes on; empty at its end. The token is shown to nobody but the management API. */
function nextPage(page: unknown): string {
  const link = stringIn(page, 'nextLink')
  if (link === '' || link.startsWith(`${endpoint}/`)) return link
  throw new Error('the list of resources goes on at another host')
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}
