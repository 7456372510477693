import type { RequestListener } from 'node:http'
import { systemClock } from '../../clock.ts'
import { makeAttestedDocument, type WrongDocument } from './azure-documents.ts'
import { answerDirectory } from './fake-azure-directory.ts'
import type { FakeAzureMachine } from './fake-azure-machine.ts'
import { answerManagement } from './fake-azure-management.ts'
import type { FakeHost } from './fake-host.ts'
import { FakeHosts } from './fake-hosts.ts'
import { TestAzureChain, testIssuerUrl } from './test-azure-chain.ts'
import {
  makeToken,
  makeTokenIssuer,
  type TokenIssuer,
  type WrongToken,
  wrongTokens,
} from './test-token.ts'

/** What can be wrong with a token of a managed identity. */
export type WrongAzureToken = WrongToken | 'other-tenant' | 'without-tenant' | 'without-subject'

/** Every way in which {@link FakeAzure.token} can go wrong. */
export const wrongAzureTokens: readonly WrongAzureToken[] = [
  ...wrongTokens,
  'other-tenant',
  'without-tenant',
  'without-subject',
]

/** The hosts of Azure that are played. */
export type AzureHost = 'metadata' | 'directory' | 'management' | 'issuer'

const hostNames: Readonly<Record<AzureHost, string>> = {
  metadata: '169.254.169.254',
  directory: 'login.microsoftonline.com',
  management: 'management.azure.com',
  issuer: 'www.microsoft.com',
}
const hourSeconds = 3600

/**
 * Azure, for one virtual machine: its metadata service, the directory that issues tokens, the management API, and the page
 * with the certificate of the authority that issues signing certificates. Documents and tokens are signed by test keys: a
 * verifier of documents has to trust `chain.rootPem`, one of tokens finds the keys in the directory.
 *
 * All of it is reached through a proxy, by {@link FakeAzure.environment}; each host can be told to misbehave.
 *
 * @example
 * await using azure = await FakeAzure.start({ tenantId: '…', … })
 * azure.wrongDocument = 'second-signer'
 * azure.host('directory').fault = 'unavailable'
 */
export class FakeAzure implements AsyncDisposable {
  readonly machine: FakeAzureMachine
  /** Root, issuer and signer of the documents. */
  readonly chain: TestAzureChain = new TestAzureChain({ now: systemClock.now() })
  /** What is wrong with the documents that the metadata service issues from now on; undefined: nothing. */
  wrongDocument: WrongDocument | undefined
  /** What is wrong with its tokens; undefined: nothing. */
  wrongToken: WrongAzureToken | undefined
  readonly #issuer: TokenIssuer = makeTokenIssuer('test-key')
  readonly #hosts: FakeHosts

  private constructor(machine: FakeAzureMachine, hosts: FakeHosts) {
    this.machine = machine
    this.#hosts = hosts
  }

  /** Starts it, until it is disposed. */
  static async start(machine: FakeAzureMachine): Promise<FakeAzure> {
    const answers = new Map<AzureHost, RequestListener>()
    const answerOf =
      (host: AzureHost): RequestListener =>
      (...all) =>
        answers.get(host)?.(...all)
    const hosts = await FakeHosts.start(
      Object.fromEntries(
        (Object.keys(hostNames) as AzureHost[]).map((host) => [hostNames[host], answerOf(host)]),
      ),
    )
    const made = new FakeAzure(machine, hosts)
    answers.set('metadata', (...all) => made.#answerMetadata(...all))
    answers.set('issuer', (...all) => made.#answerIssuer(...all))
    answers.set('directory', answerDirectory(machine, made.#issuer))
    answers.set('management', answerManagement(machine))
    return made
  }

  /** For the process that checks evidence, or asks the metadata service through a proxy. */
  get environment(): FakeHosts['environment'] {
    return this.#hosts.environment
  }

  /** Where the metadata service listens, for who comes without a proxy: `127.0.0.1:<port>`. */
  get metadataAddress(): string {
    return `127.0.0.1:${this.host('metadata').port}`
  }

  /** One of its hosts, to be told to misbehave. */
  host(which: AzureHost): FakeHost {
    return this.#hosts.get(hostNames[which])
  }

  /** An attested document as the metadata service issues it, or with exactly one thing wrong. */
  document(nonce: string, wrong?: WrongDocument): Buffer {
    const { subscriptionId, vmId } = this.machine
    return makeAttestedDocument(this.chain, { nonce, subscriptionId, vmId }, wrong)
  }

  /** A token of the managed identity as the metadata service issues it, or with exactly one thing wrong. */
  token(audience: string, wrong?: WrongAzureToken): string {
    const { tenantId, principalId } = this.machine
    const iss = `https://sts.windows.net/${tenantId}/`
    const claims = { aud: audience, iss, sub: principalId, oid: principalId, tid: tenantId }
    switch (wrong) {
      case 'other-tenant': {
        const tid = '00000000-1111-2222-3333-444444444444'
        const other = { iss: `https://sts.windows.net/${tid}/`, tid }
        return makeToken(this.#issuer, { ...claims, ...other })
      }
      case 'without-tenant':
        return makeToken(this.#issuer, { ...claims, tid: undefined })
      case 'without-subject':
        return makeToken(this.#issuer, { ...claims, sub: undefined })
      default:
        return makeToken(this.#issuer, claims, wrong)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hosts[Symbol.asyncDispose]()
  }

  #answerMetadata(...[request, response]: Parameters<RequestListener>): void {
    const isForwarded = request.headers['x-forwarded-for'] !== undefined
    if (request.headers['metadata'] !== 'true' || isForwarded) {
      response.writeHead(400).end()
      return
    }
    const page = this.#metadataPage(new URL(request.url ?? '/', 'http://metadata'))
    if (page) response.setHeader('content-type', 'application/json').end(JSON.stringify(page))
    else response.writeHead(404).end()
  }

  #metadataPage({ pathname, searchParams }: URL): object | undefined {
    switch (pathname) {
      case '/metadata/attested/document': {
        const document = this.document(searchParams.get('nonce') ?? '', this.wrongDocument)
        return { encoding: 'pkcs7', signature: document.toString('base64') }
      }
      case '/metadata/instance':
        return { compute: this.#compute() }
      case '/metadata/identity/oauth2/token': {
        const token = this.token(searchParams.get('resource') ?? '', this.wrongToken)
        return { access_token: token, expires_in: String(hourSeconds) }
      }
      default:
        return undefined
    }
  }

  #answerIssuer(...[request, response]: Parameters<RequestListener>): void {
    if (request.url === new URL(testIssuerUrl).pathname) {
      response.end(this.chain.issuer.certificate)
    } else response.writeHead(404).end()
  }

  #compute(): object {
    const { name, subscriptionId, resourceGroup: resourceGroupName, scaleSet } = this.machine
    return { name, subscriptionId, resourceGroupName, vmScaleSetName: scaleSet ?? '' }
  }
}
