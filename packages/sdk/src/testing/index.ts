export {
  makeTestCertificate,
  signTestCertificate,
  type TestCertificateOptions,
  type TestIssuer,
  type TestKeyUsage,
  testExtension,
  testKeyId,
  testName,
} from './certificate-maker.ts'
export { type FakeRefusal, type FakeWorkload, FakeWorkloadApi } from './fake-workload-api.ts'
export {
  TestCa,
  type TestCaOptions,
  type TestJwtSvidOptions,
  type TestSvidOptions,
} from './test-ca.ts'
