import { numberIn, objectIn, stringIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'
import type { VaultAuth } from './vault-config.ts'
import { readText, type VaultHttp } from './vault-http.ts'

/** A token of Vault's, and how long it lives. */
export interface VaultToken {
  readonly token: string
  /** 0: for ever. */
  readonly leaseSeconds: number
  readonly isRenewable: boolean
}

/**
 * Proves to Vault who this server is.
 *
 * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_FAILED`, `ERR_UPSTREAM_UNAVAILABLE`; no secret is in the message
 */
export async function logIn(
  vault: VaultHttp,
  auth: VaultAuth,
  signal: AbortSignal,
): Promise<VaultToken> {
  switch (auth.method) {
    case 'token':
      return await lookUp(vault, auth.token, signal)
    case 'cert':
      return await ask(vault, { mount: auth.mount, body: { name: auth.role } }, signal)
    case 'approle': {
      const body = { role_id: auth.roleId, secret_id: auth.secretId }
      return await ask(vault, { mount: auth.mount, body }, signal)
    }
    case 'k8s': {
      const jwt = await attempt('failed to read k8s service account token', () =>
        readText(auth.tokenPath),
      )
      return await ask(vault, { mount: auth.mount, body: { role: auth.role, jwt } }, signal)
    }
    default:
      return auth satisfies never
  }
}

/**
 * Has the life of a token prolonged.
 *
 * @throws {UpstreamAuthorityError} as {@link logIn}
 */
export async function renew(
  vault: VaultHttp,
  { token, leaseSeconds }: VaultToken,
  signal: AbortSignal,
): Promise<VaultToken> {
  const body = { increment: String(leaseSeconds) }
  const path = 'auth/token/renew-self'
  const answer = await vault.call({ method: 'PUT', path, body, token }, signal)
  return { ...tokenIn(answer), token }
}

async function ask(
  vault: VaultHttp,
  login: { readonly mount: string; readonly body: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<VaultToken> {
  const path = `auth/${login.mount}/login`
  const answer = await attempt(`authentication failed ${path}`, () =>
    vault.call({ method: 'PUT', path, body: login.body }, signal),
  )
  const token = tokenIn(answer)
  if (token.token === '')
    throw failed('authentication is successful, but could not get token: it is empty')
  return token
}

async function lookUp(vault: VaultHttp, token: string, signal: AbortSignal): Promise<VaultToken> {
  if (token === '') throw failed('token is empty')
  const answer = await attempt('token lookup failed', () =>
    vault.call({ method: 'GET', path: 'auth/token/lookup-self', token }, signal),
  )
  const data = objectIn(answer, 'data')
  const isRenewable = 'renewable' in data && data.renewable === true
  return { token, leaseSeconds: numberIn(data, 'ttl'), isRenewable }
}

function tokenIn(answer: unknown): VaultToken {
  const auth = objectIn(answer, 'auth')
  return {
    token: stringIn(auth, 'client_token'),
    leaseSeconds: numberIn(auth, 'lease_duration'),
    isRenewable: 'renewable' in auth && auth.renewable === true,
  }
}

async function attempt<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    const code = cause instanceof UpstreamAuthorityError ? cause.code : 'ERR_UPSTREAM_FAILED'
    throw new UpstreamAuthorityError(code, `${what}: ${messageOf(cause)}`, { cause })
  }
}

function failed(message: string): UpstreamAuthorityError {
  return new UpstreamAuthorityError('ERR_UPSTREAM_FAILED', message)
}
