export {
  type CallOptions,
  type JwtSvidRequest,
  WorkloadApiClient,
  type WorkloadApiClientOptions,
} from './client.ts'
export type { X509Context } from './convert.ts'
export {
  defaultEndpointAddress,
  endpointSocketVariable,
  endpointTarget,
} from './endpoint-address.ts'
export { JwtSource, type JwtSourceOptions } from './jwt-source.ts'
export { type Backoff, linearBackoff, type WatchOptions } from './watch.ts'
export {
  WorkloadApiCallError,
  WorkloadApiError,
  type WorkloadApiErrorCode,
} from './workload-api-error.ts'
export { X509Source, type X509SourceOptions } from './x509-source.ts'
