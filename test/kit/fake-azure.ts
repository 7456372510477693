import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import { systemClock } from '@mini-spire/runtime/clock'
import { attestedContent, TestAzureChain, testIssuerUrl } from '@mini-spire/sdk/testing/platforms'
import { answerDirectory } from './fake-azure-directory.ts'
import { answerManagement } from './fake-azure-management.ts'
import { FakeHosts } from './fake-hosts.ts'
import type { Scene } from './processes.ts'

/** A virtual machine of Azure. */
export interface FakeAzureMachine {
  readonly tenantId: string
  /** A domain of the tenant. */
  readonly domain: string
  readonly subscriptionId: string
  readonly resourceGroup: string
  readonly name: string
  readonly location: string
  readonly vmId: string
  /** Of its managed identity. */
  readonly principalId: string
  readonly tags: Readonly<Record<string, string>>
  /** The scale set that it is an instance of. */
  readonly scaleSet?: string
}

/** What can be wrong with an attested document. */
export type WrongDocument =
  | 'foreign root'
  | 'expired signer'
  | 'name of another'
  | 'purpose of another'
  | 'other signer in the bag'
  | 'second signer'
  | 'old nonce'
  | 'changed content'

/**
 * Azure, for one virtual machine: its metadata service, the directory that issues tokens, the management API, and the page
 * with the certificate of the authority that issues signing certificates. Documents and tokens are signed by test keys.
 */
export class FakeAzure {
  readonly machine: FakeAzureMachine
  readonly chain: TestAzureChain = new TestAzureChain({ now: systemClock.now() })
  /** What is wrong with the documents from now on. @default nothing */
  wrongDocument: WrongDocument | undefined
  readonly #tokenKey: KeyObject = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  #hosts: FakeHosts | undefined

  private constructor(machine: FakeAzureMachine) {
    this.machine = machine
  }

  /** Starts it for as long as the scene lasts. */
  static async start(scene: Scene, machine: FakeAzureMachine): Promise<FakeAzure> {
    const azure = new FakeAzure(machine)
    azure.#hosts = await FakeHosts.start(scene, {
      '169.254.169.254': azure.#answerMetadata(),
      'www.microsoft.com': azure.#answerIssuer(),
      'login.microsoftonline.com': answerDirectory(machine, azure.#tokenKey),
      'management.azure.com': answerManagement(machine),
    })
    return azure
  }

  /** For the process that checks evidence. */
  get environment(): Readonly<Record<string, string>> {
    return this.#hosts?.environment ?? {}
  }

  /** For an agent, which asks the metadata service through a proxy, or straight if it is ours. */
  get agentEnvironment(): Readonly<Record<string, string>> {
    const address = this.#hosts?.address ?? ''
    const redirect = new URL('redirect-metadata.mjs', import.meta.url)
    return {
      HTTP_PROXY: `http://${address}`,
      NODE_OPTIONS: `--import=${redirect.href}`,
      TEST_METADATA_ADDRESS: address,
    }
  }

  #answerMetadata(): RequestListener {
    return (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://metadata')
      const isForwarded = request.headers['x-forwarded-for'] !== undefined
      if (request.headers['metadata'] !== 'true' || isForwarded) return refuse(response, 400)
      switch (pathname) {
        case '/metadata/attested/document': {
          const document = this.#document(searchParams.get('nonce') ?? '')
          return answer(response, { encoding: 'pkcs7', signature: document.toString('base64') })
        }
        case '/metadata/instance':
          return answer(response, { compute: this.#compute() })
        case '/metadata/identity/oauth2/token': {
          const token = this.#token(searchParams.get('resource') ?? '')
          return answer(response, { access_token: token, expires_in: '3600' })
        }
        default:
          return refuse(response, 404)
      }
    }
  }

  #answerIssuer(): RequestListener {
    const { pathname } = new URL(testIssuerUrl)
    return (request, response) => {
      if (request.url === pathname) response.end(this.chain.issuer.certificate)
      else refuse(response, 404)
    }
  }

  #compute(): object {
    const { name, subscriptionId, resourceGroup: resourceGroupName, scaleSet } = this.machine
    return { name, subscriptionId, resourceGroupName, vmScaleSetName: scaleSet ?? '' }
  }

  #document(nonce: string): Buffer {
    const { chain } = this
    const content = attestedContent({ ...this.machine, nonce })
    const now = systemClock.now()
    const other = (options: object): TestAzureChain => new TestAzureChain({ now, ...options })
    const byIssuer = (signer: object): Buffer =>
      other({ signer, signedBy: chain.issuer.privateKey }).sign(content)
    switch (this.wrongDocument) {
      case undefined:
        return chain.sign(content)
      case 'foreign root':
        return other({}).sign(content)
      case 'expired signer':
        return byIssuer({ notAfter: new Date(+now - 1000) })
      case 'name of another':
        return byIssuer({ dnsNames: ['metadata.example.org'] })
      case 'purpose of another':
        return byIssuer({ extKeyUsage: ['1.3.6.1.5.5.7.3.2'] })
      case 'other signer in the bag': {
        const foreign = other({})
        const certificates = [chain.signer.certificate, foreign.signer.certificate]
        return foreign.sign(content, {}, { certificates })
      }
      case 'second signer':
        return chain.sign(content, {}, { signers: [chain.signer, other({}).signer] })
      case 'old nonce':
        return chain.sign(attestedContent({ ...this.machine, nonce: 'a'.repeat(32) }))
      case 'changed content': {
        const document = chain.sign(content)
        document.write('0', document.indexOf(this.machine.vmId))
        return document
      }
      default:
        return this.wrongDocument satisfies never
    }
  }

  #token(audience: string): string {
    const encode = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url')
    const now = Math.trunc(systemClock.nowMs() / 1000)
    const { tenantId, principalId } = this.machine
    const issuer = `https://sts.windows.net/${tenantId}/`
    const claims = { aud: audience, iss: issuer, iat: now, nbf: now, exp: now + 3600 }
    const subject = { sub: principalId, oid: principalId, tid: tenantId }
    const header = { alg: 'RS256', kid: 'test-key', typ: 'JWT' }
    const signed = `${encode(header)}.${encode({ ...claims, ...subject })}`
    return `${signed}.${sign('sha256', Buffer.from(signed), this.#tokenKey).toString('base64url')}`
  }
}

function answer(response: ServerResponse, value: object): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}
