/** Texts that delegates compare. */
export const messages = {
  notDelegate: 'caller not configured as an authorized delegate',
  selectorsOrPid: 'must provide either selectors or non-zero PID, but not both',
  badSelectors: 'could not parse provided selectors',
} as const
