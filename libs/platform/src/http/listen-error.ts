import { AppError } from '@app/core'

const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program; end that one or choose another port',
  EACCES: 'may not be used by this account; choose a port above 1023',
  EADDRNOTAVAIL: 'is not an address of this machine; choose another host'
}

/** What a failed listen means to an operator; any other error stays as it is. */
export function listenError(error: unknown, host: string, port: number): unknown {
  const remedy = remedies[(error as NodeJS.ErrnoException).code ?? '']
  if (remedy === undefined) return error
  return new AppError(
    'config_invalid',
    `${host}:${port} ${remedy} in the configuration.`,
    { host, port },
    { cause: error }
  )
}
