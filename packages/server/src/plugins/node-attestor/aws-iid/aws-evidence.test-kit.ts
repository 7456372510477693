import type { TestAws, TestEvidence } from '@mini-spire/sdk/testing/platforms'
import { RegionCertificates } from './region-certificates.ts'

/** What a verifier trusts that takes this AWS for AWS. */
export function certificatesOf(aws: TestAws): RegionCertificates {
  return new RegionCertificates(aws.certificates)
}

/** The payload of an attestation. */
export function payloadOf(evidence: Partial<TestEvidence>): Buffer {
  return Buffer.from(JSON.stringify(evidence))
}
