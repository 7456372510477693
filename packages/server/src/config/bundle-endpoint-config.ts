import type { WebCertificateConfig } from '@mini-spire/runtime/https/web-certificate'

/** How the bundle endpoint authenticates itself. */
export type BundleEndpointProfile = { readonly kind: 'https_spiffe' } | WebCertificateConfig

/** The `federation.bundle_endpoint` block. */
export interface BundleEndpointConfig {
  /** Undefined: every interface. */
  readonly address: string | undefined
  readonly port: number
  readonly refreshHintMs: number
  readonly profile: BundleEndpointProfile
}
