import type { LoggerService } from '@nestjs/common'
import type { Logger } from './logger.js'

/**
 * Lets Nest write to the program's log. What Nest says at start (modules, mapped routes) is of interest to its
 * developers only and goes to `debug`.
 */
export function nestLoggerOf(logger: Logger): LoggerService {
  const write =
    (level: 'fatal' | 'error' | 'warn' | 'debug' | 'trace') =>
    (message: unknown, ...optional: unknown[]): void => {
      const { context, stack } = readOptional(optional)
      const facts = { ...(context === undefined ? {} : { context }), ...(stack === undefined ? {} : { stack }) }
      if (message instanceof Error) logger[level]({ ...facts, error: message }, message.message)
      else if (typeof message === 'string') logger[level](facts, message)
      else logger[level]({ ...facts, content: message })
    }
  return {
    log: write('debug'),
    error: write('error'),
    warn: write('warn'),
    debug: write('trace'),
    verbose: write('trace'),
    fatal: write('fatal')
  }
}

/** Nest puts the context last and, for errors, a stack before it. */
function readOptional(optional: readonly unknown[]): { readonly context?: string; readonly stack?: string } {
  const texts = optional.filter(value => typeof value === 'string')
  const stack = texts.find(text => /\n\s+at /.test(text))
  const context = texts.findLast(text => text !== stack)
  return { ...(context === undefined ? {} : { context }), ...(stack === undefined ? {} : { stack }) }
}
