/** `node webpack.mjs`: webpack finds the workers and the wasm by itself. */

import { cpSync } from 'node:fs'
import { aliases } from 'livestore-wasm/vite'
import webpack from 'webpack'

const compiler = webpack({
  mode: 'production',
  entry: './src/main.js',
  output: { path: `${import.meta.dirname}/webpack`, filename: 'main.js', publicPath: 'auto' },
  resolve: { alias: aliases },
  // Neither is about whether the app works, and minifying takes most of the time.
  performance: false,
  optimization: { minimize: false },
})

compiler.run((error, stats) => {
  console.log(stats?.toString({ all: false, errors: true, warnings: true }))
  if (error || stats.hasErrors()) process.exit(1)
})
cpSync('src/index.html', 'webpack/index.html')
