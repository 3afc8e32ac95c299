import { createProgram, run } from './program.js'

// A reader that has seen enough, such as head, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const code = await run(createProgram(), process.argv)
if (code !== undefined) process.exitCode = code
