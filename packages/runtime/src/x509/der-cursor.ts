export { DerCursor, type DerSpan } from '@mini-spire/sdk/x509'
