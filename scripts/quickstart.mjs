console.error(
  'quickstart: nothing serves an SVID yet; the agent and the server are still being built',
)
process.exit(1)
