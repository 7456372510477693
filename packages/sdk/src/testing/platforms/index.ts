export {
  FakeGoogle,
  type GoogleInstance,
  type WrongGoogleToken,
  wrongGoogleTokens,
} from './fake-google.ts'
export { FakeHost, type HostFault, hostFaults } from './fake-host.ts'
export { FakeKubelet, type KubeletContainer, type KubeletPod } from './fake-kubelet.ts'
export {
  FakeKubernetes,
  type KubernetesNode,
  type KubernetesPod,
  type ServiceAccountClaims,
  type WrongServiceAccountToken,
  wrongServiceAccountTokens,
} from './fake-kubernetes.ts'
export { type WrongToken, wrongTokens } from './test-token.ts'
