export { FakeGoogle, type GoogleInstance } from './fake-google.ts'
export { FakeKubernetes, type TokenClaims } from './fake-kubernetes.ts'
