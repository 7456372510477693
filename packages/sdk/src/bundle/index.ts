export { BundleError, type BundleErrorCode } from './bundle-error.ts'
export { BundleSet, JwtBundleSet, X509BundleSet } from './bundle-set.ts'
export type { JwtBundleSource, X509BundleSource } from './bundle-source.ts'
export { findJwkPublicKey } from './jwk.ts'
export { type JwtAuthority, JwtBundle, jwtAuthorityFromSpki } from './jwt-bundle.ts'
export {
  type ParseSpiffeBundleOptions,
  SpiffeBundle,
  type SpiffeBundleParts,
} from './spiffe-bundle.ts'
export {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
  type StrictJsonOptions,
} from './strict-json.ts'
export { X509Bundle } from './x509-bundle.ts'
