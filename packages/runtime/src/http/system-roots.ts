export { type Environment, loadSystemRoots } from '@mini-spire/sdk/internal/http'
