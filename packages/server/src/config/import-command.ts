/** The command that takes over what the configuration's SPIRE server has in its database, as an operator types it. */
export function importCommand(configPath: string): string {
  const word = /^[\w./+=:@%-]+$/.test(configPath)
    ? configPath
    : `'${configPath.replaceAll("'", `'\\''`)}'`
  return `mini-spire-server import -from-datastore -config ${word}`
}
