#!/usr/bin/env node
/** What npm puts on the path as `livestore-wasm`. */

import { main } from './cli.js'

await main(process.argv.slice(2))
