import { ExchangeError } from './exchange-error.ts'

/**
 * Loads a package that only some programs install.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_PACKAGE_MISSING`
 */
export async function loadPackage<Package>(
  name: string,
  load: () => Promise<Package>,
): Promise<Package> {
  try {
    return await load()
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
    if (!isMissing) throw cause
    const message = `${name} is not installed: npm install ${name}`
    throw new ExchangeError('ERR_EXCHANGE_PACKAGE_MISSING', message, { cause })
  }
}
