import type { ClientAssertionCredential, ClientAssertionCredentialOptions } from '@azure/identity'
import { checkOption, loadPackage } from '../exchange/index.ts'
import type { AzureAssertions } from './azure-assertions.ts'

/** Options of {@link createAzureCredential}. */
export interface AzureCredentialOptions {
  readonly assertions: AzureAssertions
  /** The tenant's ID, or one of its domains. */
  readonly tenantId: string
  /** The application's, or the managed identity's. */
  readonly clientId: string
  /** What else @azure/identity takes: another cloud's authority, a proxy. */
  readonly options?: ClientAssertionCredentialOptions | undefined
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$/

/**
 * A credential of @azure/identity that has access tokens for a JWT-SVID: give it to Azure's clients.
 *
 * The requests are @azure/identity's own: proxies, roots, time limits and renewal of access tokens are its business.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_PACKAGE_MISSING` without @azure/identity, `ERR_EXCHANGE_OPTION`
 * @example
 * const blobs = new BlobServiceClient(url, await createAzureCredential({ assertions, tenantId, clientId }))
 */
export async function createAzureCredential({
  assertions,
  tenantId,
  clientId,
  options = {},
}: AzureCredentialOptions): Promise<ClientAssertionCredential> {
  checkOption('tenantId', tenantId, namePattern)
  checkOption('clientId', clientId, namePattern)
  const azure = await loadPackage('@azure/identity', () => import('@azure/identity'))
  const { getAssertion } = assertions
  return new azure.ClientAssertionCredential(tenantId, clientId, getAssertion, options)
}
