/** The level of SPIRE that this program keeps to, and its own version; what `-version` prints and agents report. */
export const version = '1.15.3+mini-spire.0.1.0'
