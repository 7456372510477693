#!/usr/bin/env node
import '../dist/oidc-discovery-provider.js'
