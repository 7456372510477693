export { HttpClient, type HttpClientOptions } from './http-client.ts'
export { HttpError, type HttpErrorCode } from './http-error.ts'
export type {
  HttpAnswer,
  HttpClientCertificate,
  HttpRedirects,
  HttpRequest,
} from './http-message.ts'
export { proxyFor } from './proxy.ts'
export { type Environment, loadSystemRoots } from './system-roots.ts'
