/**
 * How far a test goes on in a sweep over every octet of a piece of evidence: one octet in `npm test`, which has the time,
 * three in the check before a commit, the bits that are changed being others at each.
 */
export const sweepStep: number = process.env['MINI_SPIRE_TEST_SWEEP'] === 'whole' ? 1 : 3
