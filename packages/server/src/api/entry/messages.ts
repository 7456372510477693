/** Texts of the Entry service that SPIRE's users and scripts see. */
export const entryMessages = {
  convertFailed: 'failed to convert entry',
  createFailed: 'failed to create entry',
  updateFailed: 'failed to update entry',
  deleteFailed: 'failed to delete entry',
  listFailed: 'failed to list entries',
  countFailed: 'failed to count entries',
  similarExists: 'similar entry already exists',
  missingId: 'missing ID',
  missingEntryId: 'missing entry ID',
  notFound: 'entry not found',
  emptySelectors: 'selector list is empty',
  initialIds: 'specifying IDs on initial request is not supported',
  maskedRevision: 'revision number cannot be masked',
  noCallerId: 'caller ID missing from request context',
  endOfStream: 'EOF',
} as const
