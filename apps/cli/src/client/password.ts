import { Writable } from 'node:stream'
import { createInterface } from 'node:readline/promises'
import { AppError } from '@app/core'
import { readSecret } from './connection.js'

/** Where a password may come from, in this order; never from the command line, which others on the machine can read. */
export interface PasswordSource {
  /** A file that only its owner may read. */
  readonly file: string | undefined
  /** The name of an environment variable. */
  readonly variable: string
  /** What the person at the terminal is asked for, as `Password of agent.p12`. */
  readonly question: string
  /** Asked for twice, because nothing would tell a slip of the finger. */
  readonly isNew?: boolean
}

/** The streams of a terminal. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
}

const ownTerminal: Terminal = { input: process.stdin, output: process.stderr }

/**
 * A password from a file, from the environment, or from the person at the terminal. Throws `config_invalid` for a file that
 * is open to others, `invalid_argument` where there is none of the three, or when the two answers for a new one differ.
 */
export async function getPassword(source: PasswordSource, terminal: Terminal = ownTerminal): Promise<string> {
  if (source.file !== undefined) return readSecret(source.file)
  const given = process.env[source.variable]
  if (given !== undefined && given !== '') return given
  if (terminal.input.isTTY !== true) {
    const message = `${source.question}: give a file, set ${source.variable}, or run this at a terminal.`
    throw new AppError('invalid_argument', message)
  }
  const password = await ask(`${source.question}: `, terminal)
  if (password === '') throw new AppError('invalid_argument', 'The password is empty.')
  if (source.isNew === true && (await ask('Again: ', terminal)) !== password) {
    throw new AppError('invalid_argument', 'The passwords are not the same. Nothing was done.')
  }
  return password
}

/** Asks a question whose answer is seen, as `yes`. Throws `invalid_argument` where nobody is at a terminal. */
export async function askAloud(question: string, terminal: Terminal = ownTerminal): Promise<string> {
  if (terminal.input.isTTY !== true) throw new AppError('invalid_argument', `${question} Nobody is at a terminal.`)
  const lines = createInterface({ input: terminal.input, output: terminal.output })
  try {
    return (await lines.question(`${question} `)).trim()
  } finally {
    lines.close()
  }
}

/** The answer is not shown: what readline would echo goes nowhere. */
async function ask(question: string, { input, output }: Terminal): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: true })
  const interrupted = new Promise<never>((_, reject) => {
    lines.once('SIGINT', () => reject(new AppError('invalid_argument', 'Interrupted. Nothing was done.')))
  })
  output.write(question)
  try {
    return await Promise.race([lines.question(''), interrupted])
  } finally {
    lines.close()
    output.write('\n')
  }
}
