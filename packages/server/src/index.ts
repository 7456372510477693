export type { RegistrationEntry } from './model/registration-entry.ts'
export { type RunServerOptions, runServer } from './run-server.ts'
export { Server, type ServerOptions } from './server.ts'
export type { EndpointAddresses } from './transport/endpoints.ts'
