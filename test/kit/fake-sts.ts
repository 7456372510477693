import type { ServerResponse } from 'node:http'
import { FormServer, type SentForm } from './form-server.ts'
import { findFault, type TokenFault, type TrustPolicy } from './trust-policy.ts'

/** What AWS answers for each fault of a token. */
const codes: Record<TokenFault, string> = {
  issuer: 'InvalidIdentityToken',
  audience: 'InvalidIdentityToken',
  subject: 'AccessDenied',
  expired: 'ExpiredTokenException',
  signature: 'InvalidIdentityToken',
  malformed: 'InvalidIdentityToken',
}

/** What a fake STS knows. */
export interface FakeStsOptions {
  readonly roleArn: string
  readonly policy: TrustPolicy
  /** Who makes the credentials once the token was found good: a real program, such as moto. */
  readonly behind?: string
}

/**
 * STS as far as `AssumeRoleWithWebIdentity`: it checks the token against the role's trust policy, with keys it fetches from
 * the issuer, and has the credentials made by whoever stands behind it.
 */
export class FakeSts implements AsyncDisposable {
  /** The forms that came. */
  readonly seen: URLSearchParams[] = []
  /** Answers to the next calls, in place of the right ones. */
  readonly instead: ((response: ServerResponse) => void)[] = []
  readonly #options: FakeStsOptions
  #server: FormServer | undefined

  private constructor(options: FakeStsOptions) {
    this.#options = options
  }

  static async start(options: FakeStsOptions): Promise<FakeSts> {
    const made = new FakeSts(options)
    made.#server = await FormServer.start({ answer: (...all) => made.#answer(...all) })
    return made
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#server?.port}/`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
  }

  async #answer({ fields: form, body }: SentForm, response: ServerResponse): Promise<void> {
    this.seen.push(form)
    const instead = this.instead.shift()
    if (instead) {
      instead(response)
      return
    }
    const code = await this.#refusalOf(form)
    response.setHeader('content-type', 'text/xml')
    if (code !== undefined) response.writeHead(400).end(errorXml(code, form))
    else response.end(await this.#credentials(body))
  }

  async #refusalOf(form: URLSearchParams): Promise<string | undefined> {
    if (form.get('Action') !== 'AssumeRoleWithWebIdentity') return 'InvalidAction'
    if (form.get('Version') !== '2011-06-15') return 'InvalidAction'
    const name = form.get('RoleSessionName') ?? ''
    if (!/^[\w+=,.@-]{2,64}$/.test(name)) return 'ValidationError'
    if (form.get('RoleArn') !== this.#options.roleArn) return 'AccessDenied'
    const fault = await findFault(form.get('WebIdentityToken') ?? '', this.#options.policy)
    return fault && codes[fault]
  }

  async #credentials(body: string): Promise<string> {
    const { behind } = this.#options
    if (behind === undefined) return credentialsXml(new Date(4e12).toISOString())
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return await (await fetch(behind, { method: 'POST', body, headers })).text()
  }
}

/** An answer that grants, as STS writes it. */
export function credentialsXml(expiration: string): string {
  return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>someone</SubjectFromWebIdentityToken>
    <Credentials>
      <SessionToken>session/token+with=signs</SessionToken>
      <SecretAccessKey>secret/key+1</SecretAccessKey>
      <Expiration>${expiration}</Expiration>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>`
}

/** A refusal that repeats what it was sent, as some do. */
function errorXml(code: string, form: URLSearchParams): string {
  return `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code>
  <Message>no: ${form.get('WebIdentityToken')}</Message></Error></ErrorResponse>`
}
