// The one way out over HTTP is the SDK's, which goes out itself; daemons have it from here.
export {
  type HttpAnswer,
  HttpClient,
  type HttpClientCertificate,
  type HttpClientOptions,
  HttpError,
  type HttpErrorCode,
  type HttpRedirects,
  type HttpRequest,
} from '@mini-spire/sdk/internal/http'
