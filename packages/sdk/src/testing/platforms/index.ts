export {
  type DocumentSubject,
  makeAttestedDocument,
  type WrongDocument,
  wrongDocuments,
} from './azure-documents.ts'
export {
  type AzureHost,
  FakeAzure,
  type WrongAzureToken,
  wrongAzureTokens,
} from './fake-azure.ts'
export type { FakeAzureMachine } from './fake-azure-machine.ts'
export {
  FakeGoogle,
  type GoogleInstance,
  type WrongGoogleToken,
  wrongGoogleTokens,
} from './fake-google.ts'
export { FakeHost, type HostFault, hostFaults } from './fake-host.ts'
export { FakeHosts } from './fake-hosts.ts'
export { FakeInstanceMetadata, type FakeInstanceMetadataOptions } from './fake-instance-metadata.ts'
export { FakeKubelet, type KubeletContainer, type KubeletPod } from './fake-kubelet.ts'
export {
  FakeKubernetes,
  type KubernetesNode,
  type KubernetesPod,
  type ServiceAccountClaims,
  type WrongServiceAccountToken,
  wrongServiceAccountTokens,
} from './fake-kubernetes.ts'
export {
  makeTestSigner,
  TestAws,
  type TestAwsCertificates,
  type TestDocument,
  type TestEvidence,
  type TestRegion,
  type WrongEvidence,
  wrongEvidence,
} from './test-aws.ts'
export {
  attestedContent,
  TestAzureChain,
  type TestAzureChainOptions,
  type TestChange,
  testIssuerUrl,
} from './test-azure-chain.ts'
export {
  makeSignedData,
  type TestHolder,
  type TestSignedData,
  type TestSigner,
} from './test-signed-data.ts'
export { type WrongToken, wrongTokens } from './test-token.ts'
