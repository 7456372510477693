import type { DataSource } from '@mini-spire/runtime/proto/envoy/config/core/v3/base'
import type {
  CertificateValidationContext,
  TlsCertificate,
} from '@mini-spire/runtime/proto/envoy/extensions/transport_sockets/tls/v3/common'
import { Secret } from '@mini-spire/runtime/proto/envoy/extensions/transport_sockets/tls/v3/secret'
import { SPIFFECertValidatorConfig } from '@mini-spire/runtime/proto/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config'
import type { Any } from '@mini-spire/runtime/proto/google/protobuf/any'
import { pemEncode } from '@mini-spire/sdk/x509'
import type { WorkloadIdentity } from '../../cache/workload-view.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { ValidatorKind } from './convert-validator.ts'
import type { SelectedSecret } from './select-secrets.ts'

const typeUrl = (name: string): string => `type.googleapis.com/${name}`
const secretType = typeUrl('envoy.extensions.transport_sockets.tls.v3.Secret')
const validatorType = typeUrl('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig')
const validatorName = 'envoy.tls.cert_validator.spiffe'

/** A secret as a resource of a discovery answer. */
export function secretToProto(secret: SelectedSecret, validator: ValidatorKind): Any {
  const { name } = secret
  const type: Secret['type'] =
    secret.kind === 'identity'
      ? { $case: 'tlsCertificate', tlsCertificate: certificateToProto(secret.identity) }
      : { $case: 'validationContext', validationContext: contextToProto(secret.bundles, validator) }
  return { typeUrl: secretType, value: Secret.encode({ name, type }).finish() }
}

function certificateToProto({ svid }: WorkloadIdentity): TlsCertificate {
  return {
    certificateChain: inline(certificatesToPem(svid.chain)),
    privateKey: inline(pemEncode('PRIVATE KEY', svid.privateKey)),
  }
}

function contextToProto(
  bundles: readonly TrustBundle[],
  validator: ValidatorKind,
): CertificateValidationContext {
  if (validator === 'roots')
    return { trustedCa: inline(bundles.map(rootsToPem).join('')), customValidatorConfig: undefined }
  const trustDomains = bundles.map((bundle) => ({
    name: bundle.trustDomain.name,
    trustBundle: inline(rootsToPem(bundle)),
  }))
  const value = SPIFFECertValidatorConfig.encode({ trustDomains }).finish()
  return {
    trustedCa: undefined,
    customValidatorConfig: { name: validatorName, typedConfig: { typeUrl: validatorType, value } },
  }
}

function rootsToPem({ x509Authorities }: TrustBundle): string {
  return certificatesToPem(x509Authorities.map(({ certificate }) => certificate))
}

function certificatesToPem(certificates: readonly Uint8Array[]): string {
  return certificates.map((certificate) => pemEncode('CERTIFICATE', certificate)).join('')
}

function inline(text: string): DataSource {
  return { specifier: { $case: 'inlineBytes', inlineBytes: Buffer.from(text) } }
}
