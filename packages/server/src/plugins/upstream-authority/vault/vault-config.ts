import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import type { Environment } from '@mini-spire/runtime/http/system-roots'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'

const schema = {
  vault_addr: { type: 'string' },
  namespace: { type: 'string' },
  ca_cert_path: { type: 'string' },
  insecure_skip_verify: { type: 'bool' },
  pki_mount_point: { type: 'string' },
  token_auth: { type: 'section', optional: true, fields: { token: { type: 'string' } } },
  cert_auth: {
    type: 'section',
    optional: true,
    fields: {
      cert_auth_mount_point: { type: 'string' },
      cert_auth_role_name: { type: 'string' },
      client_cert_path: { type: 'string' },
      client_key_path: { type: 'string' },
    },
  },
  approle_auth: {
    type: 'section',
    optional: true,
    fields: {
      approle_auth_mount_point: { type: 'string' },
      approle_id: { type: 'string' },
      approle_secret_id: { type: 'string' },
    },
  },
  k8s_auth: {
    type: 'section',
    optional: true,
    fields: {
      k8s_auth_mount_point: { type: 'string' },
      k8s_auth_role_name: { type: 'string' },
      token_path: { type: 'string' },
    },
  },
} as const

type Config = Decoded<typeof schema>

/** How this server proves to Vault who it is. */
export type VaultAuth =
  | { readonly method: 'token'; readonly token: string }
  | {
      readonly method: 'cert'
      readonly mount: string
      /** Empty: whichever role fits. */
      readonly role: string
      readonly certificatePath: string
      readonly keyPath: string
    }
  | {
      readonly method: 'approle'
      readonly mount: string
      readonly roleId: string
      readonly secretId: string
    }
  | {
      readonly method: 'k8s'
      readonly mount: string
      readonly role: string
      readonly tokenPath: string
    }

/** Where Vault is, and how it is spoken to. */
export interface VaultSettings {
  /** Without a final slash. */
  readonly address: string
  /** Empty: none. */
  readonly namespace: string
  /** PEM file of the authorities that Vault's certificate leads to; undefined: the machine's. */
  readonly caPath: string | undefined
  /** Whether any certificate of Vault's will do; for tests only. */
  readonly skipsVerification: boolean
  readonly pkiMount: string
  readonly auth: VaultAuth
}

/**
 * Reads the `plugin_data` of `vault`. Vault's environment variables come before the file, as in SPIRE. No file is opened.
 *
 * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_CONFIG`, in SPIRE's words
 */
export function readVaultConfig(data: Node | undefined, environment: Environment): VaultSettings {
  const config = decodeSection(schema, data)
  const environmentOr = (name: string, fallback: string): string => environment[name] ?? fallback
  const address = environmentOr('VAULT_ADDR', config.vault_addr) || 'https://127.0.0.1:8200'
  if (!URL.canParse(address)) throw refused('vault_addr is not a URL')
  return {
    address: address.replace(/\/+$/, ''),
    namespace: environmentOr('VAULT_NAMESPACE', config.namespace),
    caPath: environmentOr('VAULT_CACERT', config.ca_cert_path) || undefined,
    skipsVerification: config.insecure_skip_verify,
    pkiMount: config.pki_mount_point || 'pki',
    auth: readAuth(config, environmentOr),
  }
}

type EnvironmentOr = (name: string, fallback: string) => string

function readAuth(config: Config, environmentOr: EnvironmentOr): VaultAuth {
  const { token_auth: token, cert_auth: cert, approle_auth: approle, k8s_auth: k8s } = config
  const configured = [token, cert, approle, k8s].filter((one) => one !== undefined)
  if (configured.length > 1) throw refused('only one authentication method can be configured')
  if (token) return { method: 'token', token: environmentOr('VAULT_TOKEN', token.token) }
  if (cert) return readCertAuth(cert, environmentOr)
  if (approle)
    return {
      method: 'approle',
      mount: approle.approle_auth_mount_point || 'approle',
      roleId: environmentOr('VAULT_APPROLE_ID', approle.approle_id),
      secretId: environmentOr('VAULT_APPROLE_SECRET_ID', approle.approle_secret_id),
    }
  if (k8s) return readK8sAuth(k8s)
  throw refused(
    "must be configured one of these authentication method 'Token, Client Certificate, AppRole or Kubernetes",
  )
}

function readCertAuth(
  cert: NonNullable<Config['cert_auth']>,
  environmentOr: EnvironmentOr,
): VaultAuth {
  const certificatePath = environmentOr('VAULT_CLIENT_CERT', cert.client_cert_path)
  const keyPath = environmentOr('VAULT_CLIENT_KEY', cert.client_key_path)
  if (certificatePath === '' || keyPath === '')
    throw refused('both client cert and client key are required')
  const mount = cert.cert_auth_mount_point || 'cert'
  return { method: 'cert', mount, role: cert.cert_auth_role_name, certificatePath, keyPath }
}

function readK8sAuth(k8s: NonNullable<Config['k8s_auth']>): VaultAuth {
  if (k8s.k8s_auth_role_name === '') throw refused('k8s_auth_role_name is required')
  if (k8s.token_path === '') throw refused('token_path is required')
  return {
    method: 'k8s',
    mount: k8s.k8s_auth_mount_point || 'kubernetes',
    role: k8s.k8s_auth_role_name,
    tokenPath: k8s.token_path,
  }
}

function refused(message: string): UpstreamAuthorityError {
  return new UpstreamAuthorityError('ERR_UPSTREAM_CONFIG', message)
}
