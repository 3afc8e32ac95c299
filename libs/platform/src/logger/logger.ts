import { writeSync } from 'node:fs'
import { pino, stdTimeFunctions, type DestinationStream, type Logger as PinoLogger } from 'pino'
import type { Config } from '../config/load.js'
import { redact, redactText } from './redaction.js'

/** The program's log: one JSON object a line, `logger.info({ requestId }, 'text')`. Secrets are taken out. */
export type Logger = PinoLogger

/** The settings of {@link createLogger}. */
export interface LoggerOptions extends Readonly<Config['log']> {
  /** Where lines go; stderr when not given, because stdout carries data only. */
  readonly destination?: DestinationStream
}

/** A logger that writes each line at once, so that a crash loses none. Text for people only on a terminal. */
export function createLogger(options: LoggerOptions): Logger {
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY)
  const plain = options.destination ?? standardError
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: 'message',
      errorKey: 'error',
      serializers: { error: redact },
      formatters: {
        level: label => ({ level: label }),
        log: object => redact(object) as Record<string, unknown>
      },
      hooks: {
        logMethod(inputs, method) {
          const redacted = inputs.map((input: unknown) => (typeof input === 'string' ? redactText(input) : input))
          method.apply(this, redacted as typeof inputs)
        }
      }
    },
    isPretty ? prettyStream(plain) : plain
  )
  // What a child logger is bound to passes no formatter; its own children inherit this.
  logger.child = new Proxy(Reflect.get<Logger, 'child'>(logger, 'child'), {
    apply: (child, self: Logger, [bindings, ...rest]: [unknown, ...unknown[]]) =>
      Reflect.apply(child, self, [redact(bindings), ...rest]) as unknown
  })
  return logger
}

const standardError: DestinationStream = {
  write(line) {
    try {
      writeSync(2, line)
    } catch (error) {
      // A reader that is slow or gone must not end the server.
      const code = (error as NodeJS.ErrnoException).code
      if (code !== 'EAGAIN' && code !== 'EPIPE') throw error
    }
  }
}

/** `12:34:56.789 WARN  what happened  name=value …`, with the stack of a defect on lines of its own. */
function prettyStream(plain: DestinationStream): DestinationStream {
  return {
    write(line) {
      const { time, level, message, error, ...rest } = JSON.parse(line) as Record<string, unknown>
      const { stack, ...facts } = (error ?? {}) as Record<string, unknown>
      const details = [...Object.entries(rest), ...(error === undefined ? [] : [['error', facts] as const])]
      const text = details.map(
        ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`
      )
      const clock = String(time).slice(11, 23)
      const head = `${clock} ${String(level).toUpperCase().padEnd(5)} ${typeof message === 'string' ? message : ''}`
      plain.write(`${[head, ...text].join('  ')}\n${typeof stack === 'string' ? `${stack}\n` : ''}`)
    }
  }
}
